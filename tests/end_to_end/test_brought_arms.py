"""Networks and predictions that somebody brings, through every stage: what was trained elsewhere
gets what our own gets, and what is not there is left out and said."""

import json
import re
import shutil

import made_up
import networks
import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from pytorch_grad_cam import GradCAM as ReferenceGradCAM

from lib.base import artefacts, study_file
from lib.data import dataset
from lib.pipeline import arms, preflight
from lib.training import record

CLASSES, SIDE, MEAN, STD = 20, 32, 0.45, 0.25
PHANTOM = "{source: phantom, train_size: 40, val_size: 40, test_size: 24}"
FEW = """
gradcam: {shown: 2, diagnosed: 2, probed: 5, planted: 2, quick: true}
compare: {bootstrap_draws: 100, corruption_images: 4}
failures: {mined: 3}
"""


def made(name: str) -> torch.nn.Module:
    """A network with random weights; of its BatchNorms the statistics are random, too."""
    torch.manual_seed(0)
    home = torchvision.models if hasattr(torchvision.models, name) else networks
    model = getattr(home, name)(num_classes=CLASSES)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval()


def network(project, name: str, more: str = "") -> str:
    """What an arm says of it; its weights, and where the environment has no such network its code,
    stand beside the study."""
    torch.save(made(name).state_dict(), project / "params" / "s" / f"{name}.pt")
    module = "torchvision.models" if hasattr(torchvision.models, name) else "their_nets"
    return f"{{network: '{module}:{name}', weights: {name}.pt, mean: {MEAN}, std: {STD}{more}}}"


def predictions(project, ids: bool = True) -> str:
    """Made-up probabilities of the phantom's validation and test rows, known by their places."""
    splits, random, lines = phantom(), np.random.default_rng(0), []
    for split in ("val", "test"):
        part = getattr(splits, split)
        for place, label in zip(part.index, part.labels.tolist()):
            shares = random.dirichlet(np.where(np.arange(CLASSES) == label, 3, 0.3))
            cells = [split, f"{place}" if ids else f"{split}{place}", splits.class_names[label]]
            lines.append(",".join([*cells, *(f"{share:.17g}" for share in shares)]))
    head = ",".join(["split", "id", "label", *splits.class_names])
    (project / "told.csv").write_text("\n".join([head, *lines, ""]), encoding="utf-8")
    return "{predictions: told.csv}"


def phantom() -> dataset.Splits:
    return dataset.load("phantom", sizes={"train": 40, "val": 40, "test": 24}, seed=42)


class Played:
    """A study of arms that were brought, and what every stage said and left."""

    def __init__(self, project, data: str, *of_arms: str):
        text = f"title: It\ndata: {data}\narms:\n" + "".join(f"  {arm}\n" for arm in of_arms) + FEW
        (project / "params" / "s.yaml").write_text(text, encoding="utf-8")
        study, self.folder = study_file.read("s"), project / "o" / "s"
        preflight.prepare(study, "o")
        arms.take_in(study, "o")
        self.runs = {
            arm: of_arm[42] for arm, of_arm in record.load_runs("o/s", study.seeds).items()
        }
        self.notebooks = {
            stem: made_up.play(
                stem, study_file.view(study, stem.partition("_")[2], "o").model_dump()
            )
            for stem in ("02_failures", "03_gradcam", "04_compare", "05_report")
        }
        self.results = json.loads((self.folder / "results.json").read_text(encoding="utf-8"))
        outputs = [
            out for cell in self.notebooks["05_report"].cells for out in cell.get("outputs", [])
        ]
        self.report = " ".join(
            " ".join(out.get("data", {}).get("text/markdown", "") for out in outputs).split()
        )
        assert not re.search(r"\b(nan|None|inf)\b", self.report)


@pytest.fixture(scope="module")
def play(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        made_up.laid_out(patch)

        def of_arms(data, *texts) -> Played:
            project = tmp_path_factory.mktemp("project")
            (project / "lib").symlink_to(made_up.NOTEBOOKS.parent / "lib")
            (project / "params" / "s").mkdir(parents=True)
            shutil.copy(networks.__file__, project / "params" / "s" / "their_nets.py")
            patch.setattr(artefacts, "ROOT", project)
            return Played(project, data, *(text(project) for text in texts))

        yield of_arms


def arm(name: str, make, *more):
    return lambda project: f"{name}: {make(project, *more)}"


def plain_loop(name: str, splits) -> np.ndarray:
    """Logits of the test images, one after the other, by the network as its file builds it."""
    model = made(name)
    with torch.no_grad():
        return np.concatenate(
            [model(((image / 255 - MEAN) / STD)[None]).numpy() for image in splits.test.images]
        )


@pytest.mark.parametrize(
    "one, layer, other, other_layer",
    [
        ("mobilenet_v3_small", "features.9.block.0", "small", "conv2"),
        ("bottlenecks", "layer4.0.bn1", "PreActivation", "conv3"),
    ],
)
def test_networks_with_weights_from_a_file_get_all_that_our_own_gets(
    play, one, layer, other, other_layer
):
    study, splits = (
        play(PHANTOM, arm("first", network, one), arm("second", network, other)),
        phantom(),
    )
    cam = study.results["gradcam"]
    assert cam["asked"] == ["first", "second"] and not cam["left_out"]
    for name, of, at in (("first", one, layer), ("second", other, other_layer)):
        expected, run = plain_loop(of, splits), study.runs[name]
        assert run.info["layer"] == at == cam["layers"][name]
        assert run.test.predicted.tolist() == expected.argmax(1).tolist()
        assert (
            run.info["test_accuracy"] == (expected.argmax(1) == splits.test.labels.numpy()).mean()
        )
        np.testing.assert_allclose(run.test.logits, expected, rtol=1e-3, atol=1e-4)
        compare_maps(study, name, made(of), at, splits)
        assert cam["faithfulness"][name]["images"] == sum(cam["halves"][name].values()) >= 5
    assert cam["randomisation"] == [] and "Weights were not made random" in study.report
    assert study.results["compare"]["robustness"]["images"] == 4
    assert "Nothing was trained" in study.report


def compare_maps(study, name, model, layer, splits):
    """The kept maps against pytorch-grad-cam's, raw. It keeps what a layer gave, which a ReLU in
    place behind it would overwrite."""
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    selection = pd.read_csv(study.folder / "tables" / "selection.csv")
    kept = np.load(study.folder / "maps.npz")[name]
    images = (
        (splits.test.images[selection["position"].tolist()] / 255 - MEAN) / STD
    ).requires_grad_()
    true = torch.tensor([splits.class_names.index(one) for one in selection["true"]])
    with ReferenceGradCAM(model, [model.get_submodule(layer)]) as cam:
        watched = cam.activations_and_grads
        watched(images).gather(1, true[:, None]).sum().backward()
        theirs = cam.get_cam_image(
            images,
            model.get_submodule(layer),
            None,
            watched.activations[0].detach().numpy(),
            watched.gradients[0].detach().numpy(),
            False,
        )
    assert np.abs(theirs).max() > 0
    np.testing.assert_allclose(kept[:, 1], theirs, rtol=1e-2, atol=1e-4 * np.abs(theirs).max())


def test_a_transformer_gets_occlusion_and_the_report_says_so(play):
    study = play(PHANTOM, arm("tokens", network, "Tokens"), arm("plain", network, "small"))
    cam = study.results["gradcam"]
    assert cam["layers"] == {"tokens": None, "plain": "conv2"} and cam["layer"] is None
    assert cam["cells"] == [4, 4] and list(cam["occlusion"]) == ["plain"]
    assert cam["completeness_error"] is None and cam["attention"] is None
    assert "In place of maps of tokens, where no layer has any, stands *occlusion*" in study.report


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_an_arm_without_its_network_is_left_out_and_named(play, first):
    both = [arm("told", predictions), arm("net", network, "small")]
    study = play(PHANTOM, *(both if first else both[::-1]))
    cam = study.results["gradcam"]
    assert cam["asked"] == ["net"] and cam["left_out"] == ["told"] and cam["layer"] == "conv2"
    assert list(cam["halves"]) == ["net"] and (cam["cases"] == []) == first
    assert (
        "The network of told is not at hand: probes, verdicts and maps are of net" in study.report
    )
    assert ("whose network was not asked: no card" in study.report) == first


@pytest.mark.parametrize("pictures", [True, False], ids=["with pictures", "alone"])
def test_predictions_alone_are_asked_nothing_and_the_chapters_are_named(play, pictures):
    data = PHANTOM if pictures else "{source: none}"
    study = play(data, arm("told", predictions, pictures))
    assert study.results["gradcam"] == {
        "before": "told",
        "after": "",
        "asked": [],
        "left_out": ["told"],
    }
    assert (
        "There are no pictures" if not pictures else "The networks of told are not"
    ) in study.report
    assert "Probes" not in study.report

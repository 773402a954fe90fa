"""An arm that brings its network: examined, predicted and kept as a run is; and a network of one's
own that is trained here."""

import dataclasses
import json
import tempfile
from pathlib import Path

import networks
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Small
from small_runs import SETTINGS, started

from lib.base import artefacts
from lib.base.artefacts import ROOT
from lib.base.config import Train, check
from lib.base.errors import NetworkError, ParameterError
from lib.data import dataset
from lib.gradcam import find_layer
from lib.training import examination, inference, intake, loop, network, questions, record, released
from lib.training.network import Brought

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
DATA = ("data", "root", "image_size", "data_seed", "train_size", "val_size", "test_size")
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]


@pytest.fixture(scope="module")
def splits():
    return dataset.load("phantom", sizes={"train": 90, "val": 40, "test": 40}, seed=0)


def weights_of(folder, name, classes=20):
    torch.manual_seed(7)
    net = network.build(name, classes, [ROOT]).eval()
    torch.save(net.state_dict(), folder / "weights.pt")
    return net, str(folder / "weights.pt")


def params(tmp_path, arm="theirs"):
    own = {name: SETTINGS[name] for name in DATA}
    return own | {"study": "s", "outputs": str(tmp_path / "outputs"), "arm": arm, "seed": 0}


def taken_in(tmp_path, splits, name, given=None, **arm):
    net, weights = weights_of(tmp_path, name)
    arm = {"network": name, "weights": weights, "mean": MEAN, "std": STD} | arm
    return net, intake.take_in(Brought(**arm), given or params(tmp_path), splits)


def plain_loop(net, images):
    """One image after the other, as a user would write it."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    with torch.no_grad():
        return torch.cat([net(((image / 255 - mean) / std)[None]) for image in images])


@pytest.mark.parametrize(
    "name, layer",
    [
        ("networks:Flat", "conv2"),
        ("networks:PreActivation", "conv3"),
        ("networks:Crossed", "bn1"),
        ("networks:NormFirst", "conv3"),
        ("networks:Tokens", None),
        ("networks:Tied", "conv2"),
        ("torchvision.models:mobilenet_v3_small", "features.9.block.0"),
    ],
)
def test_a_brought_run_predicts_what_a_plain_loop_does(tmp_path, splits, name, layer):
    net, run = taken_in(tmp_path, splits, name)
    for split, stored in (("val", run.val), ("test", run.test)):
        expected = plain_loop(net, getattr(splits, split).images)
        torch.testing.assert_close(
            torch.from_numpy(stored.logits), expected, rtol=1e-4, atol=1e-5 * expected.abs().max()
        )
        right = expected.argmax(1) == getattr(splits, split).labels
        assert run.info[f"{split}_accuracy"] == float(right.double().mean())
        assert (stored.predicted == expected.argmax(1).numpy()).all()
    assert run.info["origin"] == "network" and run.history is None
    assert record.map_layer(run) == layer


def test_a_brought_run_gives_its_network_back_with_its_own_mean_and_deviation(tmp_path, splits):
    net, run = taken_in(tmp_path, splits, "networks:small")
    again = record.load_model(run, 20)
    assert not again.training and again.brought_statistics == (tuple(MEAN), tuple(STD))
    logits = inference.logits(again, splits.test.images, splits.mean, splits.std)
    assert (logits == run.test.logits).all()
    maps = inference.maps(
        inference.ready(again),
        record.map_layer(run),
        splits.test.images[:4],
        splits.test.labels[:4],
        splits.mean,
        splits.std,
    )
    assert maps.shape == (4, 8, 8) and maps.abs().max() > 0
    (tmp_path / "weights.pt").unlink()
    assert record.load_model(run, 20)(torch.zeros(1, 3, 32, 32)).shape == (1, 20)


def test_what_was_examined_stands_beside_the_run(tmp_path, splits):
    _, run = taken_in(tmp_path, splits, "networks:Normalising")
    answers = json.loads((run.path / "examination.json").read_text())["answers"]
    assert run.info["examined"] == f"examined: {len(answers)} questions, 2 warnings"
    assert [answer["line"] for answer in answers if answer["verdict"] == "warning"] == (
        run.info["warnings"]
    )
    assert "normalise by itself" in run.info["warnings"][0]
    assert "by chance" in run.info["warnings"][1]


def test_classes_give_the_order_of_predictions_and_of_maps(tmp_path, splits):
    order = list(range(1, 20)) + [0]
    names = [splits.class_names[place] for place in order]
    _, plain = taken_in(tmp_path, splits, "networks:small")
    _, other = taken_in(
        tmp_path, splits, "networks:small", params(tmp_path, "ordered"), classes=names
    )
    assert (other.test.logits[:, order] == plain.test.logits).all()
    images, targets = splits.test.images[:3], torch.tensor([4, 0, 11])

    def maps(run, classes):
        model = inference.ready(record.load_model(run, 20))
        return inference.maps(model, "conv2", images, classes, splits.mean, splits.std)

    assert torch.equal(maps(plain, targets), maps(other, torch.tensor(order)[targets]))


def test_a_run_that_is_there_stays_until_arm_weights_or_code_change(tmp_path, splits, monkeypatch):
    monkeypatch.setattr(network, "beside", lambda study: [tmp_path, ROOT])
    text = "from networks import Small\ndef make(num_classes):\n    return Small(num_classes)\n"
    (tmp_path / "mine.py").write_text(text)
    net, weights = weights_of(tmp_path, "networks:small")
    arm = Brought(network="mine:make", weights="weights.pt", mean=0, std=1)
    given = params(tmp_path)

    def key(arm=arm):
        return intake.take_in(arm, given, splits).info["key"]

    first = key()
    written = (tmp_path / "outputs/s/theirs/seed-0/run.json").stat().st_mtime_ns
    (tmp_path / "mine.py").write_text("# a comment\n" + text)
    assert key() == first
    assert (tmp_path / "outputs/s/theirs/seed-0/run.json").stat().st_mtime_ns == written
    keys = [first, key(arm.model_copy(update={"mean": [0.5] * 3}))]
    (tmp_path / "mine.py").write_text(text.replace("Small(num_classes)", "Small(num_classes=20)"))
    keys.append(key())
    torch.save({name: value * 2 for name, value in net.state_dict().items()}, weights)
    keys.append(key())
    assert len(set(keys)) == 4
    # the order of the data's classes is part of it: outputs are put into it
    named = dataclasses.replace(splits, class_names=splits.class_names[::-1])
    assert intake.run_key(arm, named, [tmp_path, ROOT]) != keys[-1]


def test_weights_that_a_factory_reads_itself_are_part_of_a_runs_key(tmp_path, splits):
    net, weights = weights_of(tmp_path, "networks:small")
    (tmp_path / "own.py").write_text(
        "import torch\nfrom networks import small\n\n\ndef make(num_classes):\n"
        "    net = small(num_classes)\n"
        f"    net.load_state_dict(torch.load({str(weights)!r}))\n    return net\n"
    )
    arm, places = Brought(network="own:make", mean=0, std=1), [tmp_path, ROOT]
    first = intake.run_key(arm, splits, places)
    assert intake.run_key(arm, splits, places) == first
    torch.save({name: value * 2 for name, value in net.state_dict().items()}, weights)
    assert intake.run_key(arm, splits, places) != first


def test_the_code_of_a_network_that_takes_its_own_number_of_classes_alone_is_known(tmp_path):
    (tmp_path / "part.py").write_text("")
    (tmp_path / "picky.py").write_text(
        "import torch\n\n\ndef make(num_classes):\n    import part\n"
        "    assert num_classes == 3\n    return torch.nn.Linear(3, 3)\n"
    )
    found = network.files("picky:make", [tmp_path])
    assert sorted(path.name for path in found) == ["part.py", "picky.py"]


@pytest.mark.parametrize(
    "name, said",
    [
        ("networks:Dropped", "other logits for the same images"),
        ("networks:Probabilities", "these are probabilities"),
        ("networks:WithHeadOfMany", "1000 outputs"),
        ("networks:absent", "no function 'absent'"),
    ],
)
def test_what_is_refused_leaves_no_run(tmp_path, splits, name, said):
    with pytest.raises(NetworkError) as caught:
        if name.endswith("absent"):
            arm = Brought(network=name, weights="none.pt", mean=0, std=1)
            intake.take_in(arm, params(tmp_path), splits)
        taken_in(tmp_path, splits, name)
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.rglob("run.json"))


def test_the_order_of_arms_and_their_company_change_no_bit(tmp_path, splits):
    """Two repositories with a blocks.py each; one of them changes threads and grad mode."""
    text = "from torch import nn\nimport torch\nfrom blocks import width\n{extra}\n" + (
        "class Net(nn.Module):\n"
        "    def __init__(self, num_classes):\n"
        "        super().__init__()\n"
        "        self.conv, self.fc = nn.Conv2d(3, width, 3), nn.Linear(width, num_classes)\n"
        "    def forward(self, x):\n"
        "        return self.fc(self.conv(x).relu().mean((2, 3)))\n"
    )
    places = [tmp_path, ROOT]
    extra = {"one": "torch.set_num_threads(2); torch.set_grad_enabled(False)", "two": ""}
    arms = {}
    for name, width in (("one", 4), ("two", 6)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "blocks.py").write_text(f"width = {width}\n")
        (tmp_path / name / "net.py").write_text(text.replace("{extra}", extra[name]))
        torch.manual_seed(3)
        net = network.build(f"{name}.net:Net", 20, places)
        torch.save(net.state_dict(), tmp_path / f"{name}.pt")
        arms[name] = Brought(network=f"{name}.net:Net", weights=f"{name}.pt", mean=MEAN, std=STD)
    results = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "beside", lambda study: places)
        for number, order in enumerate((["one"], ["two"], ["one", "two"], ["two", "one"])):
            for name in order:
                given = params(tmp_path / str(number), name)
                run = intake.take_in(arms[name], given, splits)
                again = record.load_model(run, 20)
                assert again.fc.in_features == {"one": 4, "two": 6}[name]
                results.setdefault(name, []).append(run.test.logits.tobytes())
    assert all(len(values) == 3 and len(set(values)) == 1 for values in results.values())
    assert torch.get_num_threads() == 1 and torch.is_grad_enabled()


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(
        [
            "small",
            "Flat",
            "PreActivation",
            "Crossed",
            "NormFirst",
            "Tokens",
            "InDataclass",
            "Halved",
        ]
    ),
    seed=st.integers(0, 9),
    count=st.integers(1, 7),
    mean=st.floats(0, 1),
    std=st.floats(0.01, 1),
)
def test_an_examined_networks_predictions_are_those_of_a_plain_call(name, seed, count, mean, std):
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(seed)
        net = getattr(networks, name)(20).eval()
        torch.save(net.state_dict(), f"{folder}/weights.pt")
        images = torch.randint(0, 256, (16, 3, 32, 32), dtype=torch.uint8)
        arm = Brought(network=f"networks:{name}", weights="weights.pt", mean=mean, std=std)
        names = [str(place) for place in range(20)]
        case = questions.Case(arm, names, images, [Path(folder)])
        answers = examination.ask(case)
    assert {answer.verdict for answer in answers} <= {"passed", "note"}
    with torch.no_grad():
        expected = network.logits_in(net((images[:count] / 255 - mean) / std), 20).float()
    result = torch.from_numpy(inference.logits(case.network, images[:count], None, None))
    bound = 3e-2 if name == "Halved" else 1e-4
    assert (result - expected).abs().max() <= bound * expected.abs().max()


# --- trained here


def test_a_network_of_ones_own_trains_and_is_loaded_again(tmp_path):
    state = started(tmp_path, network="networks:Flat", epochs=1, milestones=[])
    assert isinstance(state.model, Small) and state.model.training
    row = loop.train_epoch(state)
    loop.finish_epoch(state, row | loop.evaluate(state))
    run = record.publish(state, {}, {})
    assert run.info["params"]["network"] == "networks:Flat"
    model = record.load_model(run, 20)
    logits = inference.logits(model, state.splits.test.images, state.splits.mean, state.splits.std)
    assert (logits == run.test.logits).all() and not hasattr(model, "brought_statistics")


def test_a_released_run_of_other_code_of_its_network_is_another_training(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "beside", lambda study: [tmp_path, ROOT])
    text = "from networks import Flat\n\n\ndef make(num_classes):\n    return Flat(num_classes)\n"
    (tmp_path / "mine.py").write_text(text)
    state = started(tmp_path, network="mine:make", epochs=1, milestones=[])
    loop.finish_epoch(state, loop.train_epoch(state) | loop.evaluate(state))
    info = record.publish(state, {}, {}).info
    assert released.differences(info, state.params, info["data_digest"]) == []
    # in a byte order mark and a comment there is no other code
    (tmp_path / "mine.py").write_bytes(b"\xef\xbb\xbf# -*- coding: utf-8 -*-\n" + text.encode())
    assert released.differences(info, state.params, info["data_digest"]) == []
    (tmp_path / "mine.py").write_text(text.replace("Flat(num_classes)", "Flat(num_classes).half()"))
    assert released.differences(info, state.params, info["data_digest"]) == [
        "other code of the network"
    ]


@pytest.mark.parametrize(
    "name, said",
    [
        ("networks:WithHeadOfMany", "returns (2, 1000) for 2 images of 20 classes"),
        ("networks:Fixed", "fails on images of 32 px"),
        ("networks:InTuple", "which part are the logits"),
        ("networks:nothing", "no parameters"),
    ],
)
def test_a_network_that_cannot_be_trained_on_the_data_is_one_line(tmp_path, name, said):
    with pytest.raises(NetworkError) as caught:
        started(tmp_path, network=name)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_the_network_is_part_of_a_runs_key_and_the_default_of_released_runs():
    ours = Train(**SETTINGS, outputs="x")
    other = ours.model_copy(update={"network": "networks:small"})
    assert record.key(ours, "d") != record.key(other, "d")
    assert record.todays({"width": 8})["network"] == "resnet18"
    info = record.read_record(ROOT / "released/cifar100/baseline/seed-42/run.json")
    assert "network" not in info["params"]
    assert record.todays(info["params"])["network"] == "resnet18"


def test_a_network_of_another_form_is_a_parameter_error(tmp_path):
    values = SETTINGS | {"outputs": str(tmp_path), "strict_resume": False}
    for name in ("resnet50", "a/b.py:c", "mine", ":f"):
        with pytest.raises(ParameterError, match="network"):
            check("train", values | {"network": name})
    assert check("train", values | {"network": "my-repo.net:Net"}).network == "my-repo.net:Net"


def test_one_matrix_with_two_names_is_kept_under_both(tmp_path):
    from networks import Tied

    artefacts.write_weights(tmp_path / "w.safetensors", Tied())
    kept = artefacts.read_weights(tmp_path / "w.safetensors")
    assert torch.equal(kept["fc.weight"], kept["other.weight"])


def test_the_found_layer_is_that_of_our_own_network_as_well():
    net = network.build("resnet18", 10, [ROOT], 2, 32).eval()
    assert find_layer(net, torch.randn(2, 3, 32, 32)) == "layer4"


def test_a_network_that_computes_in_16_bits_answers_in_32():
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    model = inference.ready(networks.Halved(10).eval())
    assert inference.forward(model, images, (0.5,) * 3, (0.2,) * 3).dtype == torch.float32

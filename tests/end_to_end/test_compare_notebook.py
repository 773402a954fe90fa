"""04_compare's own cells on runs of every kind: copies of one run, several seeds with an ablation,
an arm without errors."""

import hashlib
import json
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

from lib.base import artefacts
from lib.data import dataset
from lib.evaluation import failures, summary
from lib.report import comparison, exhibits, provenance, training
from lib.report.chapters import confidence
from lib.training import record

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ROOT / "released" / "smoke"
STORY = (
    lambda results: comparison.accuracy(results["compare"]),
    training.training,
    comparison.side_by_side,
    confidence.confidence,
    confidence.calibration_text,
    comparison.moved,
    comparison.ablation,
    confidence.rejecting,
    training.limits,
)


@pytest.fixture(autouse=True)
def unseen(monkeypatch):
    """Figures are made and kept, but neither rendered nor displayed: that takes most of the
    time."""
    monkeypatch.setattr(exhibits, "rendered", lambda figure, kind, **options: b"")
    monkeypatch.setattr(exhibits, "display", lambda *arguments, **options: None)


def write(folder, source, change=None, **params):
    """A copy of a smoke run, `change` applied to the logits of val and of test."""
    shutil.copytree(SMOKE / source / "seed-0", folder)
    arrays = artefacts.read_arrays(folder / "predictions.npz")
    for split in ("val", "test"):
        if change:
            arrays[f"{split}_logits"] = change(
                arrays[f"{split}_logits"].astype(np.float32), arrays[f"{split}_labels"]
            )
    artefacts.write_arrays(folder / "predictions.npz", **arrays)
    info = record.read_record(folder / "run.json")
    info["params"] |= params
    info["sha256"]["predictions.npz"] = hashlib.sha256(
        (folder / "predictions.npz").read_bytes()
    ).hexdigest()
    record.write_record(folder / "run.json", info)


def compare(folder, arms, seeds, before="baseline", after="cutmix"):
    """Run the notebook's cells; returns the folder of the study and its numbers, as the report gets
    them."""
    values = {
        "study": "made-up",
        "outputs": str(folder),
        "runs": str(folder / "runs"),
        "arms": dict.fromkeys(arms, seeds),
        "before": before,
        "after": after,
        "bootstrap_draws": 100,
        "corruption_images": 8,
    }
    trained = record.load_runs(values["runs"], values["arms"])
    info, study = trained[before][seeds[0]].info, folder / "made-up"
    splits = dataset.load_for(info["params"], info["data_digest"])
    table = failures.test_table(trained[before][seeds[0]], splits)
    artefacts.write_table(
        study / "tables" / "selection.csv",
        failures.selection(table, failures.read_cases("", np.arange(1)), 2),
    )
    names = {}
    for cell in nbformat.read(ROOT / "notebooks" / "04_compare.ipynb", as_version=4).cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
            names |= values if "parameters" in cell.metadata.get("tags", []) else {}
    plt.close("all")
    return study, {
        "compare": json.loads((study / "results" / "compare.json").read_text(encoding="utf-8")),
        "study": summary.plain(provenance.study_numbers(trained, splits, names["here"].seeds)),
    }


def told(numbers):
    return "\n".join(
        say(numbers | {"gradcam": {"rule": {}, "asked": ["baseline", "cutmix"]}, "cannot_tell": []})
        for say in STORY
    )


def test_two_copies_of_one_run_and_nothing_changed_anywhere(tmp_path):
    for arm in ("baseline", "cutmix"):
        write(tmp_path / "runs" / arm / "seed-0", "baseline")
    study, numbers = compare(tmp_path, ["baseline", "cutmix"], [0])
    compared, text = numbers["compare"], told(numbers)
    nothing = {"estimate": 0, "low": 0, "high": 0, "found": "none"}
    assert all(change == nothing for change in compared["changes"].values())
    assert compared["about"] == "networks" and compared["equivalence"]["equivalent"]
    assert compared["mcnemar"]["p_value"] == 1 and compared["churn"]["between_arms"] == {
        "class": 0,
        "right": 0,
        "corrected": 0,
        "regressed": 0,
    }
    assert compared["classes"]["equal"] == 20 and compared["ablation"] == []
    for said in (
        "No difference in test accuracy between the networks of baseline and CutMix was found",
        "They are equivalent within ±1 point.",
        "No difference in their number was found",
        "was not found to leave fewer errors in either",
        "no difference was found, corrected for the number of measures, in ECE, ECE after scaling, "
        "negative log-likelihood, negative "
        "log-likelihood after scaling, Brier score and Brier score after scaling",
    ):
        assert said in text
    for wrong in (
        "raises",
        "lowers",
        "leaves fewer",
        "these are lower",
        "these are higher",
        "They are fewer",
        "They are more",
        "Both arms are wrong",
        "by construction",
    ):
        assert wrong not in text, wrong
    assert (
        not (study / "figures" / "corrected.json").exists()
        and (study / "figures" / "both-wrong.json").exists()
    )
    assert not (study / "tables" / "ablation.json").exists()


def noisy(seed, scale=1.0):
    generator = np.random.default_rng(seed)
    return lambda logits, labels: (
        scale * (logits + generator.normal(0, 0.7, logits.shape))
    ).astype(np.float32)


def test_three_seeds_of_three_arms_are_means_with_an_ablation(tmp_path):
    arms = {
        "baseline": {},
        "cutmix": {"cutmix_probability": 0.5, "label_smoothing": 0.1},
        "smooth": {"label_smoothing": 0.1},
    }
    for place, (arm, params) in enumerate(arms.items()):
        for seed in range(3):
            params = {"cutmix_probability": 0.0, "label_smoothing": 0.0} | params
            write(
                tmp_path / "runs" / arm / f"seed-{seed}",
                "cutmix" if arm == "cutmix" else "baseline",
                noisy(10 * place + seed),
                seed=seed,
                **params,
            )
    study, numbers = compare(tmp_path, list(arms), [0, 1, 2])
    compared, text = numbers["compare"], told(numbers)
    each = [
        record.load_run(tmp_path / "runs" / "baseline" / f"seed-{seed}").test.correct.mean()
        for seed in range(3)
    ]
    entry = compared["arms"]["baseline"]["test_accuracy"]
    assert (entry["mean"], entry["sd"], entry["n"]) == (
        pytest.approx(np.mean(each)),
        pytest.approx(np.std(each, ddof=1)),
        3,
    )
    assert [effect["effect"] for effect in compared["ablation"]] == ["CutMix", "label smoothing"]
    assert "means of 3 seeds" in text and "Between seeds of baseline" in text
    assert "McNemar" not in text and "one seed" not in text
    for kept in (
        *sorted((study / "tables").glob("*.json")),
        *sorted((study / "figures").glob("*.json")),
    ):
        if kept.stem != "selection":
            caption = next(iter(json.loads(kept.read_text(encoding="utf-8"))["metadata"].values()))[
                "caption"
            ]
            # tables by seed, and a picture
            alone = ("promises", "promises-all", "corruptions")
            assert "seed" in caption or kept.stem in alone, kept.stem


def test_an_arm_without_errors_is_told_without_gaps(tmp_path):
    write(tmp_path / "runs" / "baseline" / "seed-0", "baseline")
    write(
        tmp_path / "runs" / "cutmix" / "seed-0",
        "baseline",
        lambda logits, labels: (9 * np.eye(20)[labels] + logits / 20).astype(np.float32),
    )
    study, numbers = compare(tmp_path, ["baseline", "cutmix"], [0])
    text = told(numbers)
    assert "and 0 with CutMix." in text and "None" not in text and "nan" not in text
    assert numbers["compare"]["arms"]["cutmix"]["errors"]["mean"] == 0
    assert not (study / "figures" / "regressed.json").exists()

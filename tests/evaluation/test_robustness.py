"""Robustness against torchmetrics, SciPy's bootstrap and the network itself; plots and sentences
against what they were given."""

import copy
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image
from scipy import stats
from scipy.special import softmax
from torchmetrics.functional.classification import multiclass_calibration_error

from lib.base import artefacts
from lib.data import augment, dataset
from lib.data.dataset import Split
from lib.evaluation import robustness
from lib.evaluation.corruptions import CONSTANTS, NAMES, corrupt
from lib.evaluation.robustness import CONDITIONS
from lib.report import style
from lib.report.chapters import robustness as chapter
from lib.training import machine, record

CLASSES, IMAGES = 5, 300
LABELS = np.random.default_rng(0).integers(CLASSES, size=IMAGES)
TEMPERATURES = {"baseline": 1.4, "cutmix": 0.7, "third": 1.0}


def scores(seed: int, strength: float) -> np.ndarray:
    """Logits (conditions, N, classes) that lean to the labels, less so at a higher severity."""
    noise = np.random.default_rng(seed).normal(size=(len(CONDITIONS), IMAGES, CLASSES))
    lean = np.array([strength * (1 - severity / 8) for _, severity in CONDITIONS])
    return (noise + lean[:, None, None] * (np.arange(CLASSES) == LABELS[:, None])).astype(
        np.float32
    )


PREDICTED = {"baseline": scores(1, 1.5), "cutmix": scores(2, 3.0), "third": scores(3, 0.5)}


@pytest.fixture(scope="module")
def measured():
    return robustness.corruption_table(PREDICTED, LABELS, TEMPERATURES)


@pytest.fixture(scope="module")
def numbers(measured):
    return summarise(measured, "baseline", "cutmix")


def summarise(measured, before, after):
    pair = PREDICTED[before], PREDICTED[after]
    return robustness.robustness_numbers(measured, IMAGES, 7) | {
        "accuracy_changes": robustness.accuracy_changes(*pair, LABELS, 200),
        "ece_scaled_change": robustness.calibration_change(
            *pair, LABELS, (TEMPERATURES[before], TEMPERATURES[after]), 200
        ),
    }


def test_accuracy_and_calibration_of_every_condition_are_those_of_torchmetrics(measured):
    assert (
        len(measured) == 3 * 31 and not measured.duplicated(["arm", "corruption", "severity"]).any()
    )
    for row in measured.itertuples():
        own = torch.from_numpy(PREDICTED[row.arm][CONDITIONS.index((row.corruption, row.severity))])
        labels = torch.from_numpy(LABELS)
        assert row.accuracy == pytest.approx((own.argmax(1) == labels).double().mean().item())
        for value, temperature in ((row.ece, 1), (row.ece_scaled, TEMPERATURES[row.arm])):
            reference = multiclass_calibration_error(
                (own / temperature).softmax(1), labels, CLASSES, 15
            )
            assert value == pytest.approx(reference.item(), abs=1e-6)


@pytest.mark.slow
def test_logits_are_those_of_the_network_on_the_corrupted_images(monkeypatch):
    monkeypatch.setattr(machine, "choose_precision", lambda *_: "fp32")
    run = record.load_run(artefacts.ROOT / "released" / "smoke" / "cutmix" / "seed-0")
    splits = dataset.load_for(run.info["params"])
    chosen = robustness.subset(splits.test, 24)
    predicted = robustness.logits({"cutmix": run}, splits, chosen)["cutmix"]
    model = record.load_model(run, len(splits.class_names)).to(machine.choose_device("auto"))
    for (kind, severity), own in zip(CONDITIONS, predicted):
        images = (
            chosen.images
            if kind == "none"
            else corrupt(chosen.images, kind, severity, chosen.index)
        )
        inputs = augment.normalise(images, splits.mean, splits.std).to(
            next(model.parameters()).device
        )
        with torch.no_grad():
            np.testing.assert_allclose(own, model(inputs).cpu(), atol=1e-3)
    # that was bf16
    assert (
        predicted[0].argmax(1) == run.test.predicted[np.searchsorted(run.test.index, chosen.index)]
    ).mean() > 0.9


def test_the_subset_depends_on_the_ids_alone():
    index = np.arange(100, 180)
    split = Split(torch.arange(80)[:, None], torch.arange(80) % 7, index)
    chosen = robustness.subset(split, 20)
    assert len(set(chosen.index)) == 20 and (np.diff(chosen.index) > 0).all()
    assert torch.equal(chosen.images[:, 0], torch.from_numpy(chosen.index - 100)) and torch.equal(
        chosen.labels, chosen.images[:, 0] % 7
    )
    back = np.arange(80)[::-1].copy()
    assert set(
        robustness.subset(Split(split.images[back], split.labels[back], index[back]), 20).index
    ) == set(chosen.index)
    assert len(robustness.subset(split, 500)) == 80
    assert set(chosen.index) < set(robustness.subset(split, 30).index)


def test_changes_are_those_of_scipys_bootstrap_over_images():
    before, after = PREDICTED["baseline"], PREDICTED["cutmix"]
    changes = robustness.accuracy_changes(before, after, LABELS, 4000)
    right = (after.argmax(2) == LABELS).astype(float) - (before.argmax(2) == LABELS)
    rows = {
        kind: [place for place, (one, _) in enumerate(CONDITIONS) if one == kind]
        for kind in ("none", *CONSTANTS)
    }
    of_image = {kind: right[place].mean(0) for kind, place in rows.items()}
    of_image |= {"all": right[1:].mean(0), "drop": right[1:].mean(0) - right[0]}
    assert changes.keys() == of_image.keys()
    for name, values in of_image.items():
        reference = stats.bootstrap(
            (values,), np.mean, n_resamples=4000, method="percentile", rng=1
        ).confidence_interval
        assert changes[name]["estimate"] == pytest.approx(values.mean())
        np.testing.assert_allclose(
            (changes[name]["low"], changes[name]["high"]), reference, atol=0.006
        )


def test_severities_of_one_image_are_no_independent_evidence():
    before, after = (np.tile(PREDICTED[arm][:1], (31, 1, 1)) for arm in ("baseline", "cutmix"))
    changes = robustness.accuracy_changes(before, after, LABELS, 1000)
    width = {name: change["high"] - change["low"] for name, change in changes.items()}
    assert (
        width["all"]
        == pytest.approx(width["none"], rel=0.1)
        == pytest.approx(width["contrast"], rel=0.1)
    )
    assert changes["drop"] == {"estimate": 0, "low": 0, "high": 0}


def test_the_change_of_calibration_is_the_difference_of_the_tables_means(measured, numbers):
    means = measured[measured["severity"] > 0].groupby("arm")["ece_scaled"].mean()
    change = numbers["ece_scaled_change"]
    assert (
        change["estimate"] == pytest.approx(means["cutmix"] - means["baseline"])
        and change["low"] < change["high"]
    )
    assert numbers["arms"]["third"]["corrupted"]["ece_scaled"] == pytest.approx(means["third"])
    assert numbers["arms"]["third"]["clean"]["accuracy"] == np.mean(
        PREDICTED["third"][0].argmax(1) == LABELS
    )


def test_calibrated_networks_of_different_confidence_are_not_found_to_differ_under_corruption():
    found, labels = 0, np.zeros(200, dtype=int)
    for trial in range(10):
        generator = np.random.default_rng(trial)
        arms = [
            generator.beta(alpha, beta, 200).clip(0.02, 0.9999) for alpha, beta in ((2, 2), (9, 1))
        ]
        predicted = []
        for confidence in arms:
            shares = np.repeat((1 - confidence[:, None]) / 99, 100, axis=1)
            shares[np.arange(200), (generator.random(200) >= confidence) * 1] = confidence
            predicted.append(np.tile(np.log(shares).astype(np.float32), (31, 1, 1)))
        change = robustness.calibration_change(*predicted, labels, (1.0, 1.0), 200)
        found += not change["low"] <= 0 <= change["high"]
    assert found <= 1


def test_the_calibration_error_of_few_images_stands_beside_that_of_all_and_beside_chance():
    generator, images = np.random.default_rng(0), 8000
    confidence = generator.beta(4, 2, images).clip(0.3, 0.999)
    logits = np.log(np.stack([confidence, *[(1 - confidence) / 4] * 4], 1)).astype(np.float32)
    labels = (generator.random(images) > confidence).astype(int)
    test = record.Predictions(np.arange(images), labels, logits)
    few = robustness.calibration_of_rows(test, logits[:500], labels[:500], 1.0)
    for rows, found in ((slice(500), few), (slice(None), few["all"])):
        reference = multiclass_calibration_error(
            torch.from_numpy(softmax(logits[rows], axis=1)), torch.from_numpy(labels[rows]), 5, 15
        )
        assert found["ece"] == pytest.approx(float(reference), abs=1e-6)
        # calibrated: what is left is chance, larger on fewer images
        assert found["ece"] == pytest.approx(found["chance"], rel=0.5)
    assert (few["images"], few["all"]["images"]) == (500, 8000)
    assert few["chance"] == pytest.approx(4 * few["all"]["chance"], rel=0.15)


def test_the_tables_say_what_was_measured(measured, numbers):
    view = robustness.by_corruption(measured, numbers["accuracy_changes"], "cutmix")
    assert view["corruption"].tolist() == ["none (clean)", *NAMES.values(), "mean of the six"]
    blur = measured[(measured["corruption"] == "defocus_blur") & (measured["arm"] == "third")][
        "accuracy"
    ].mean()
    assert view.loc[2, "third"] == f"{blur:.1%}"
    assert view.iloc[7]["baseline"] == f"{numbers['arms']['baseline']['corrupted']['accuracy']:.1%}"
    assert view.iloc[7, -1].startswith(
        f"+{100 * numbers['accuracy_changes']['all']['estimate']:.1f} (+"
    )
    arms = robustness.by_arm(numbers)
    assert (
        arms["arm"].tolist() == list(PREDICTED)
        and chapter.arm_formats(arms)["calibration error, clean"] == "{:.3f}"
    )
    assert (
        arms.loc[1, "the same after scaling, corrupted"]
        == numbers["arms"]["cutmix"]["corrupted"]["ece_scaled"]
    )


def test_the_plot_draws_the_table_in_the_arms_colours(measured):
    axes = chapter.accuracy_figure(measured)
    assert [axis.get_title() or axis.get_title(loc="left") for axis in axes.flat] == list(
        NAMES.values()
    )
    for axis, kind in zip(axes.flat, CONSTANTS):
        for line, arm in zip(axis.get_lines(), PREDICTED):
            rows = measured[
                (measured["arm"] == arm) & measured["corruption"].isin(("none", kind))
            ].set_index("severity")["accuracy"]
            assert (
                dict(zip(line.get_xdata(), line.get_ydata())) == rows.to_dict() and len(rows) == 6
            )
            assert to_hex(line.get_color()).upper() == style.colours(PREDICTED)[arm]
    plt.close("all")


def test_examples_are_drawn_by_whole_pixels():
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    split = Split(torch.from_numpy(images), torch.zeros(3), np.arange(3))
    figure = chapter.examples_figure(split, place=1)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=192)
    plt.close(figure)
    drawn = np.asarray(Image.open(buffer).convert("RGB"))
    expected = [
        split.images[1],
        *(corrupt(split.images[1:2], kind, 3, split.index[1:2])[0] for kind in CONSTANTS),
    ]
    for column, image in enumerate(expected):
        cell = drawn[-160:, 184 * column : 184 * column + 160]
        assert (cell == image.permute(1, 2, 0).numpy().repeat(5, 0).repeat(5, 1)).all()


@pytest.fixture
def results(numbers):
    return {
        "study": {"sizes": {"test": 1000}},
        "compare": {"before": "baseline", "after": "cutmix", "robustness": copy.deepcopy(numbers)},
    }


def set_change(results, name, low, high):
    results["compare"]["robustness"]["accuracy_changes"][name] = {
        "estimate": (low + high) / 2,
        "low": low,
        "high": high,
    }


def test_prose_says_that_a_gain_carries_over(results):
    text = chapter.robustness(results)
    assert (
        "The gain carries over." in text
        and text.count("the network of CutMix is more accurate than that of baseline") == 2
    )


def test_prose_says_how_the_images_were_chosen(results):
    assert "Of 1,000 test images 300, drawn at random, were" in chapter.robustness(results)
    results["study"]["sizes"]["test"] = 300
    assert "All 300 test images were" in chapter.robustness(results)


@pytest.mark.parametrize(
    "clean, under, said",
    [
        ((0.01, 0.02), (-0.01, 0.01), "not found to carry over"),
        ((0.01, 0.02), (-0.02, -0.01), "gain turns into a loss"),
        ((-0.02, -0.01), (-0.02, -0.01), "The loss carries over"),
        ((-0.02, -0.01), (-0.01, 0.01), "loss was not found to carry"),
        ((-0.02, -0.01), (0.01, 0.02), "loss turns into a gain"),
        ((-0.01, 0.01), (0.01, 0.02), "No gain on clean images was found"),
        ((0.0, 0.02), (-0.01, 0.01), "No gain on clean images was found"),
        ((-0.02, 0.0), (-0.02, -0.01), "No gain on clean images was found"),
    ],
)
def test_prose_says_no_more_than_the_intervals(results, clean, under, said):
    set_change(results, "none", *clean)
    set_change(results, "all", *under)
    set_change(results, "drop", -0.01, 0.01)
    text = chapter.robustness(results)
    assert (
        said in text
        and "No difference in what corruption costs" in text
        and "Corruption takes" not in text
    )


@pytest.mark.parametrize(
    "low, high, said",
    [
        (
            0.01,
            0.03,
            "takes 2.0 points more from baseline than from CutMix (95% interval 1.0 to 3.0)",
        ),
        (
            -0.03,
            -0.01,
            "takes 2.0 points more from CutMix than from baseline (95% interval 1.0 to 3.0)",
        ),
    ],
)
def test_prose_names_the_arm_that_loses_more(results, low, high, said):
    set_change(results, "drop", low, high)
    assert said in chapter.robustness(results)


def test_two_copies_of_one_run_do_not_differ(measured, results):
    results["compare"]["robustness"] = summarise(measured, "baseline", "baseline")
    text = chapter.robustness(results)
    assert (
        text.count(
            "no difference in accuracy between the networks of baseline and CutMix was found (0.0 "
            "points, 95% interval 0.0 to 0.0)"
        )
        == 2
    )
    assert "under none of the six corruptions was a difference found" in text
    assert "was not found to differ between baseline and CutMix" in text
    assert not any(
        word in text
        for word in ("more accurate", "less accurate", "carries", "takes", "lower in", "higher in")
    )


def test_prose_says_that_corruptions_were_skipped():
    for compare in ({}, {"robustness": None}):
        assert "not looked at" in chapter.robustness(
            {"compare": {"before": "a", "after": "b"} | compare}
        )


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "a_b*c*`d`[e](f)$g$"])
def test_hostile_names_become_text(results, numbers, hostile):
    results["compare"]["after"] = hostile
    results["compare"]["robustness"]["arms"] = {
        "baseline": numbers["arms"]["baseline"],
        hostile: numbers["arms"]["cutmix"],
    }
    texts = [
        chapter.robustness(results),
        chapter.by_corruption(numbers, "baseline", hostile),
        chapter.examples_caption(3, hostile)["caption"],
    ]
    assert not any("<script" in text for text in texts)
    assert all(
        text[place - 1] == "\\"
        for text in texts
        for place, letter in enumerate(text)
        if letter in "*`$" and place
    )

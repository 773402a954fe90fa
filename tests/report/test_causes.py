"""The probes' figures show the numbers they were given, and captions and sentences say no more than
these allow."""

import copy

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lib.diagnosis import faithfulness, randomisation
from lib.diagnosis.probes import probe_table
from lib.report import causes
from lib.report.style import COLOURS

ARMS = ("baseline", "cutmix_only")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def found():
    generator = np.random.default_rng(0)
    return {arm: faithfulness.Curves(*generator.random((3, 30, 5))) for arm in ARMS}


@pytest.fixture(scope="module")
def cascade():
    generator = np.random.default_rng(1)
    return randomisation.randomisation_table(
        {
            arm: {stage: generator.uniform(-0.2, 0.4, 50) for stage, _ in randomisation.STAGES}
            for arm in ARMS
        }
    )


@pytest.fixture(scope="module")
def probes():
    generator = np.random.default_rng(2)
    return probe_table(
        {
            arm: {
                f"probe_{i}": pd.DataFrame(
                    {
                        "drop": generator.normal(size=40),
                        "flip": generator.random(40) < 0.7,
                        "to_true": generator.random(40) < 0.3,
                    }
                )
                for i in (1, 2, 3)
            }
            for arm in ARMS
        }
    )


def test_curves_are_drawn_as_given(found):
    table = faithfulness.curve_table(found)
    left, right = causes.deletion_insertion_figure(table)
    assert [axis.get_title(loc="left") or axis.get_title() for axis in (left, right)] == [
        "deletion",
        "insertion",
    ]
    lines = {line.get_label(): line for line in left.get_lines()}
    assert list(lines) == [
        "baseline, map order",
        "baseline, random order",
        "CutMix only, map order",
        "CutMix only, random order",
    ]
    np.testing.assert_allclose(
        lines["CutMix only, map order"].get_ydata(), found["cutmix_only"].deletion.mean(0)
    )
    np.testing.assert_allclose(
        right.get_lines()[1].get_ydata(), found["baseline"].random.mean(0)[::-1]
    )
    assert (
        lines["baseline, map order"].get_color()
        == lines["baseline, random order"].get_color()
        == COLOURS[0]
    )
    assert len(left.collections) == 4


def test_correlations_are_drawn_by_stage(cascade):
    ax = causes.randomisation_figure(cascade, randomisation.chance(16))
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "fc",
        "+ layer4",
        "+ layer3",
        "+ layer2",
        "+ layer1",
        "+ stem",
    ]
    lines = {line.get_label(): line.get_ydata() for line in ax.get_lines()}
    rows = cascade[cascade["arm"] == "cutmix_only"]
    np.testing.assert_allclose(lines["CutMix only"], rows["correlation"])
    np.testing.assert_allclose(lines["CutMix only, without sign"], rows["absolute"])
    assert lines["cells in random order, without sign"][0] == randomisation.chance(16)


def test_effects_are_drawn_probe_by_probe(probes):
    axes = causes.probe_effects_figure(probes)
    assert [label.get_text() for label in axes[0].get_yticklabels()] == [
        "probe 1",
        "probe 2",
        "probe 3",
    ]
    for axis, name in zip(axes, ("flip", "to_true")):
        points = [
            collection.get_offsets()
            for collection in axis.collections
            if len(collection.get_offsets()) == 3
        ]
        np.testing.assert_allclose(points[1][:, 0], probes[probes["arm"] == "cutmix_only"][name])
        assert (points[0][:, 1] < points[1][:, 1]).all() and np.round(points[0][:, 1]).tolist() == [
            0,
            1,
            2,
        ]
    assert [text.get_text() for text in axes[0].figure.legends[0].get_texts()] == [
        "baseline",
        "CutMix only",
    ]


def test_captions_and_alts_carry_the_numbers(found, cascade, probes):
    numbers = {arm: faithfulness.area_summary(curves) for arm, curves in found.items()}
    said = causes.deletion_insertion_caption(numbers, "blur")
    assert (
        "30 of baseline and 30 of CutMix only" in said["caption"]
        and "a blurred copy of the picture" in said["caption"]
    )
    areas = numbers["cutmix_only"]["deletion"]
    assert f"CutMix only deletion {areas['map']:.3f} against {areas['random']:.3f}," in said["alt"]
    said = causes.randomisation_caption(cascade)
    assert (
        "50 images" in said["caption"]
        and f"stem {cascade['correlation'].iloc[5]:+.2f}".replace("-", "−") in said["alt"]
    )
    said = causes.probe_effects_caption(probes)
    assert "40 errors of baseline and 40 errors of CutMix only" in said["caption"]
    assert f"probe 1 {probes['flip'][0]:.0%} ({probes['to_true'][0]:.0%})" in said["alt"]


FAITHFUL = {
    "images": 3742,
    "steps": 16,
    "deletion": {
        "map": 0.3,
        "random": 0.4,
        "difference": {"estimate": -0.1, "low": -0.11, "high": -0.09},
    },
    "insertion": {
        "map": 0.5,
        "random": 0.4,
        "difference": {"estimate": 0.1, "low": 0.09, "high": 0.11},
    },
}


def test_faithfulness_says_which_way_and_when_nothing_was_found():
    text = causes.faithfulness({"baseline": FAITHFUL})
    assert text.count("faster than random order") == 2 and "3,742 errors" in text
    assert "(difference in area −0.100, 95% interval −0.110 to −0.090)" in text
    worse = copy.deepcopy(FAITHFUL)
    worse["deletion"]["difference"] = {"estimate": 0.1, "low": 0.09, "high": 0.11}
    worse["insertion"]["difference"] = {"estimate": 0.01, "low": -0.01, "high": 0.03}
    text = causes.faithfulness({"baseline": worse})
    assert (
        "lowers the probability of the wrong class more slowly" in text
        and "neither faster nor slower" in text
    )
    nothing = {"images": 0, "steps": 16, "deletion": None, "insertion": None}
    assert (
        causes.faithfulness({"baseline": nothing})
        == "Baseline makes no error, so its maps could not be tested."
    )
    few = causes.faithfulness({"baseline": worse | {"images": 5}})
    assert few == "Baseline makes 5 errors: too few to test its maps."


def test_randomisation_gives_the_first_and_the_last_stage():
    rows = [
        {
            "arm": "baseline",
            "stage": stage,
            "images": 50,
            "correlation": value,
            "low": value - 0.05,
            "high": value + 0.05,
            "absolute": 0.25,
        }
        for stage, value in (("fc", 0.02), ("layer4", 0.3), ("stem", -0.1))
    ]
    text = causes.randomisation_text(rows, 0.206)
    assert (
        "in fc the maps of baseline correlate with the trained ones at +0.02 (95% interval −0.03 "
        "to +0.07; 0.25 without sign)" in text
    )
    assert "everywhere they do at −0.10" in text and "at 0.21 without sign" in text
    rows[-1] |= {"correlation": None, "low": None, "high": None, "absolute": None}
    assert "everywhere they do at no value" in causes.randomisation_text(rows, 0.206)


def test_occlusion_gives_each_arm_its_correlation():
    found = {
        "images": 400,
        "undefined": 0,
        "correlation": {"estimate": 0.65, "low": 0.63, "high": 0.67},
        "another": {"estimate": 0.21},
    }
    text = causes.occlusion(
        {"baseline": found, "cutmix": {"images": 0, "undefined": 3, "correlation": None}}
    )
    assert text.endswith(
        "In baseline, over 400 errors, its cells' rank correlation with those of the map is +0.65 "
        "(95% interval +0.63 to +0.67). With the map of another error's picture it is +0.21. In "
        "CutMix its rank correlation with the map has no value."
    )


def test_of_one_error_occlusion_gives_no_correlation():
    found = {"images": 1, "correlation": {"estimate": 1.0, "low": 1.0, "high": 1.0}}
    text = causes.occlusion({"baseline": found | {"another": None}})
    assert text.endswith("In baseline 1 error is too few for it.") and "+1" not in text


def spread(low, high, p_value):
    middle = (low + high) / 2
    measure = {
        "before": 0.6,
        "after": 0.6 + middle,
        "p_value": p_value,
        "rank_sum": middle,
        "difference": {"estimate": middle, "low": low, "high": high},
    }
    hottest = {
        "before": 0.3,
        "after": 0.2,
        "p_value": 0.01,
        "difference": {"estimate": -0.1, "low": -0.2, "high": 0.1},
    }
    return {
        "images": 3000,
        "excluded": 1,
        "entropy": measure,
        "normalised_entropy": measure,
        "hottest_share": hottest,
    }


def test_attention_says_wider_narrower_or_no_difference():
    wider = causes.attention(spread(0.01, 0.03, 0.04), "baseline", "cutmix")
    assert wider.startswith(
        "CutMix spreads its attention over more cells than baseline (over 3,000 errors of "
        "baseline; 1 image without"
    )
    assert wider.endswith("The hottest cell has 30.0% and 20.0% of the positive part.")
    assert "fewer cells" in causes.attention(spread(-0.03, -0.01, 0.04), "baseline", "cutmix")
    none = causes.attention(spread(-0.01, 0.03, 0.4), "baseline", "cutmix")
    assert none.startswith("No difference") and "spreads" not in none
    for open_case in (spread(0.01, 0.03, 0.4), spread(-0.01, 0.03, 0.04)):
        assert "is open: the mean and the ranks disagree (over" in causes.attention(
            open_case, "baseline", "cutmix"
        )
    # the mean rises and the ranks speak for a fall
    torn = spread(0.01, 0.03, 0.04)
    torn["normalised_entropy"] = torn["normalised_entropy"] | {"rank_sum": -5.0}
    assert "is open: the mean and the ranks" in causes.attention(torn, "baseline", "cutmix")
    empty = {
        "images": 0,
        "excluded": 3,
        "entropy": None,
        "normalised_entropy": None,
        "hottest_share": None,
    }
    assert "could not be compared" in causes.attention(empty, "baseline", "cutmix")
    few = causes.attention(spread(0.01, 0.03, 0.04) | {"images": 5}, "baseline", "cutmix")
    assert "5 images are too few" in few and "spreads" not in few


def test_controls_say_more_only_beyond_chance():
    contrasts = {
        "baseline": {"estimate": 0.1, "low": 0.08, "high": 0.12},
        "cutmix": {"estimate": 0.01, "low": -0.01, "high": 0.03},
    }
    errors = {"baseline": 400, "cutmix": 400}
    text = causes.controls(contrasts, "the hot cells", "random cells", errors)
    assert (
        "more often in baseline (+10.0 points, 95% interval +8.0 to +12.0)" in text
        and "neither more nor less often" in text
    )
    few = causes.controls(contrasts, "the hot cells", "random cells", errors | {"baseline": 1})
    assert "baseline" not in few and "CutMix" in few
    assert causes.controls(contrasts, "hot", "random", dict.fromkeys(errors, 5)) == ""


def test_the_tables_of_a_single_image_have_no_interval():
    one = faithfulness.curve_table({"baseline": faithfulness.Curves(*np.ones((3, 1, 5)))})
    assert one["low"].isna().all() and (one["probability"] == 1).all()
    causes.deletion_insertion_figure(one)[0].figure.canvas.draw()
    assert pd.isna(
        randomisation.randomisation_table({"baseline": {"fc": np.array([0.5])}})["low"]
    ).all()

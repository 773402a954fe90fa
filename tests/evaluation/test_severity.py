"""Superclass distance, bands and pairs counted by hand; the confusion matrix against
scikit-learn's; its plot read back."""

from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import confusion_matrix

from lib.evaluation import severity
from lib.evaluation.failures import chance_within_superclass
from lib.report import failures
from lib.report.failures import confusion_caption as caption
from lib.report.failures import within_superclass_caption as within_caption

matplotlib.use("agg")
SUPERCLASS = np.array([1, 0, 1, 0])


def splits(classes: int, groups: int):
    return SimpleNamespace(
        superclass=np.arange(classes) % groups,
        class_names=[f"class_{number}" for number in range(classes)],
        superclass_names=[f"group_{number}" for number in range(groups)],
    )


def runs(classes: int, images: int = 3000):
    generator = np.random.default_rng(0)
    labels = generator.integers(classes, size=images)
    predicted = np.where(
        generator.random(images) < 0.5, labels, generator.integers(classes, size=images)
    )
    return {
        arm: SimpleNamespace(test=SimpleNamespace(labels=labels, predicted=predicted))
        for arm in ("baseline", "cutmix")
    }


def errors_table(*rows):
    table = pd.DataFrame(rows, columns=["true", "predicted", "scaled_confidence"])
    table["true_superclass"], table["predicted_superclass"] = (
        table["true"].str[0],
        table["predicted"].str[0],
    )
    return table


def test_chance_is_that_of_the_classes_that_are_missed():
    # of 4 wrong classes 2 are siblings of the first three, none of the others
    superclass = np.array([0, 0, 0, 1, 2])
    assert chance_within_superclass(superclass, np.array([0, 1, 2, 2])) == 0.5
    assert chance_within_superclass(superclass, np.array([0, 3, 3, 4])) == 0.125
    assert chance_within_superclass(superclass, np.array([], dtype=int)) == pytest.approx(0.3)
    generator = np.random.default_rng(0)
    labels = generator.choice(5, 40_000, p=[0.1, 0.1, 0.1, 0.1, 0.6])
    wrong = (labels + generator.integers(1, 5, 40_000)) % 5
    assert chance_within_superclass(superclass, labels) == pytest.approx(
        (superclass[labels] == superclass[wrong]).mean(), abs=0.01
    )
    equal = np.arange(20) // 4
    assert chance_within_superclass(equal, np.zeros(7, dtype=int)) == pytest.approx(3 / 19)


def test_distance_by_hand():
    assert severity.distance(
        np.array([0, 0, 0, 1]), np.array([0, 2, 1, 1]), SUPERCLASS
    ).tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    "superclass, has",
    [
        (SUPERCLASS, True),
        (np.arange(10), False),
        (np.zeros(10, int), False),
        (np.array([3, 3, 7]), True),
    ],
)
def test_superclasses_join_some_classes_and_part_others(superclass, has):
    assert severity.has_superclasses(superclass) == has


def test_bands_hold_their_upper_end_and_every_error_once():
    errors = errors_table(
        ("a1", "a2", 0.3),
        ("a1", "b1", 0.30001),
        ("b1", "b2", 1.0),
        ("b1", "a1", 0.9),
        ("a1", "a2", 0.05),
    )
    table = severity.within_by_confidence(errors, 0.1)
    assert table["errors"].tolist() == [2, 1, 0, 1, 1] and table["within"].tolist() == [
        2,
        0,
        0,
        0,
        1,
    ]
    assert table["share"].tolist()[:2] == [1, 0] and np.isnan(table["share"][2])
    # Clopper-Pearson of 2 of 2
    assert table["share_low"][0] == pytest.approx(0.025**0.5) and table["share_high"][0] == 1


def test_pairs_add_both_directions():
    errors = errors_table(
        ("a2", "a1", 0.5), ("a1", "a2", 0.5), ("a2", "a1", 0.5), ("b1", "a1", 0.5)
    )
    table = severity.confused_pairs(errors)
    assert table.iloc[0].tolist() == ["a1", "a2", 1, 2, 3, 0.75, "yes"] and table.iloc[
        1
    ].tolist() == ["a1", "b1", 0, 1, 1, 0.25, "no"]
    assert (
        len(severity.confused_pairs(errors, 1)) == 1
        and severity.confused_pairs(errors.iloc[:0]).empty
    )


def test_confusion_is_that_of_scikit_learn_in_the_order_of_the_superclasses():
    of_run = runs(4)["baseline"].test
    matrices, names, blocks = severity.confusions(runs(4), splits(4, 2))
    order = [0, 2, 1, 3]
    assert names == [f"class_{number}" for number in order] and blocks == [
        ("group_0", 2),
        ("group_1", 2),
    ]
    assert np.allclose(
        matrices["baseline"],
        confusion_matrix(of_run.labels, of_run.predicted, labels=order, normalize="true"),
    )


@pytest.mark.parametrize(
    "classes, groups, blocks, shown",
    [
        (100, 20, 20, 20),
        (20, 5, 5, 20),
        (10, 10, 0, 10),
        (300, 300, 0, 0),
        (1000, 50, 0, 0),
        (1000, 30, 0, 0),
    ],
)
def test_the_matrix_names_what_fits_and_outlines_its_blocks(classes, groups, blocks, shown):
    matrices, names, outlined = severity.confusions(runs(classes), splits(classes, groups))
    axes = failures.confusion_figure(matrices, names, outlined)
    labels = [text.get_text() for text in axes[0].get_yticklabels()]
    assert (
        len(axes) == 2 and len(axes[0].patches) == blocks == len(outlined) and len(labels) == shown
    )
    drawn = axes[0].images[0].get_array()
    assert (
        np.diag(drawn.mask).all()
        and drawn.mask.sum() == len(names)
        and drawn.max() == matrices["baseline"][~np.eye(len(names), dtype=bool)].max()
    )
    if blocks:
        assert [patch.get_width() for patch in axes[0].patches] == [
            classes / groups
        ] * blocks and axes[0].patches[0].get_xy() == (-0.5, -0.5)
    axes[0].figure.canvas.draw()
    assert "largest cell" in caption(matrices, names, outlined)["alt"]
    matplotlib.pyplot.close(axes[0].figure)


def test_no_errors_are_drawn_and_said():
    matrices = {"baseline": np.eye(3)}
    axes = failures.confusion_figure(matrices, list("abc"), [])
    axes[0].figure.canvas.draw()
    assert "no errors" in caption(matrices, list("abc"), [])["alt"]


def test_the_plot_of_shares_skips_empty_bands():
    table = severity.within_by_confidence(
        errors_table(("a1", "a2", 0.95), ("a1", "b2", 0.95)), 0.25
    )
    axis = failures.within_superclass_figure({"baseline": table})
    assert [text.get_text() for text in axis.texts] == ["2"]
    assert axis.containers[0].lines[0].get_ydata().tolist() == [0.5] and axis.containers[0].lines[
        0
    ].get_xdata().tolist() == [4]


def test_chance_is_drawn_and_said_of_each_arm_that_makes_errors():
    one = errors_table(("a1", "a2", 0.95))
    tables = {
        "a": severity.within_by_confidence(one, 0.25),
        "b": severity.within_by_confidence(one, 0.5),
        "c": severity.within_by_confidence(one.iloc[:0], 0.75),
        "d": severity.within_by_confidence(one, 0.5),
    }
    axis = failures.within_superclass_figure(tables)
    assert [line.get_ydata()[0] for line in axis.lines if line.get_linestyle() == "--"] == [
        0.25,
        0.5,
    ]
    assert within_caption(tables)["alt"].endswith("Chance: 25.0% and 50.0%.")
    matplotlib.pyplot.close(axis.figure)


@pytest.mark.parametrize("arms", [2, 5])
def test_counts_and_legend_keep_clear_of_each_other(arms):
    many = errors_table(
        *[
            ("a1", "a2" if place % 3 else "b2", confidence)
            for confidence in (0.1, 0.4, 0.6, 0.8, 0.95)
            for place in range(1500)
        ]
    )
    table = severity.within_by_confidence(many, 0.25)
    axis = failures.within_superclass_figure({f"arm_{number}": table for number in range(arms)})
    axis.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in axis.texts] + [
        axis.get_legend().get_window_extent()
    ]
    assert len(boxes) == 5 * arms + 1
    assert not [
        (one, other)
        for number, one in enumerate(boxes)
        for other in boxes[:number]
        if one.overlaps(other)
    ]
    matplotlib.pyplot.close(axis.figure)


def test_a_trend_over_all_errors_is_found_where_the_outer_bands_overlap():
    generator = np.random.default_rng(3)
    confidence = generator.random(848) ** 0.7
    inside = generator.random(848) < 0.5 - 0.22 * confidence
    errors = errors_table(
        *(("a1", "a2" if near else "b2", sure) for near, sure in zip(inside, confidence))
    )
    bands = severity.within_by_confidence(errors, 0.25)
    first, last = bands.iloc[0], bands.iloc[-1]
    assert first["share_low"] < last["share_high"]
    found = severity.within_trend(errors)
    assert found["found"] == "falls" and found["rows"] == 848
    expected = spearmanr(inside, confidence)
    assert (found["rho"], found["p_value"]) == pytest.approx(tuple(expected))
    assert severity.within_trend(errors.head(5))["found"] is None


def test_fewer_errors_alone_do_not_make_them_nearer():
    # the second arm makes half the errors, and of them more are beyond the superclass
    far = [np.repeat([0, 1, 2], [400, 300, 300]), np.repeat([0, 1, 2], [700, 110, 190])]
    assert severity.distance_of_errors(far[0]) == pytest.approx(1.5)
    changes = [
        severity._change(mean, [one[np.random.default_rng(0).permutation(1000)] for one in far])
        for mean in (np.mean, severity.distance_of_errors)
    ]
    assert changes[0]["high"] < 0 < changes[1]["low"]
    assert changes[1]["estimate"] == pytest.approx(490 / 300 - 1.5)
    # by the delta method: two means of 600 and 300 errors, nearly independent
    half = 1.96 * np.sqrt(0.25 / 600 + (190 / 300) * (110 / 300) / 300)
    assert changes[1]["high"] - changes[1]["low"] == pytest.approx(2 * half, rel=0.25)


def test_numbers_of_two_arms_and_none_without_superclasses():
    of_arms = runs(4)
    tables = {
        arm: pd.DataFrame(
            {
                "correct": run.test.predicted == run.test.labels,
                "scaled_confidence": 0.5,
                "true_superclass": SUPERCLASS[run.test.labels],
                "predicted_superclass": SUPERCLASS[run.test.predicted],
            }
        )
        for arm, run in of_arms.items()
    }
    numbers = severity.severity_numbers(of_arms, tables, ("baseline", "cutmix"), SUPERCLASS)
    assert numbers["arms"]["cutmix"]["chance"] == pytest.approx(1 / 3) and numbers[
        "distance_change"
    ] == {"estimate": 0, "low": 0, "high": 0}
    of_arm = numbers["arms"]["baseline"]
    assert of_arm["distance_of_errors"] == pytest.approx(2 - of_arm["within"]["estimate"])
    # wrong classes were drawn at random
    assert of_arm["within"]["low"] < 1 / 3 < of_arm["within"]["high"]
    assert severity.severity_numbers(of_arms, tables, ("baseline", "cutmix"), np.arange(4)) is None

"""Effects of interventions against counts by hand and statsmodels' interval."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from lib.diagnosis import probes
from lib.diagnosis.probes import Response

WRONG, TRUE = np.array([0, 1, 2]), np.array([1, 2, 0])
WHOLE = np.array([[3.0, 1, 0], [0, 2, 1], [0, 1, 5]])
# to the true class; no flip; to a third class
CHANGED = np.array([[1.0, 2, 0], [0, 4, 1], [0, 3, 1]])


def response(*logits):
    """Of one array of logits (N, K) a draw."""
    logits, rows = np.stack(logits), np.arange(logits[0].shape[0])
    wrong, true = WRONG[rows], TRUE[rows]
    return Response(
        WHOLE[rows, wrong] - logits[:, rows, wrong],
        logits[:, rows, true] - logits[:, rows, wrong],
        None,
        None,
        logits.argmax(2),
    )


def measured(*logits):
    return probes.measure_probe(response(*logits), WRONG[: len(logits[0])], TRUE[: len(logits[0])])


def test_an_effect_is_read_off_the_logits():
    found = measured(CHANGED)
    assert found["drop"].tolist() == [2, -2, 4]
    assert found["flip"].tolist() == [1, 0, 1] and found["to_true"].tolist() == [1, 0, 0]


def test_draws_are_averaged_for_each_image():
    found = measured(WHOLE, CHANGED)
    assert found["drop"].tolist() == [1, -1, 2]
    assert found["flip"].tolist() == [0.5, 0, 0.5] and found["to_true"].tolist() == [0.5, 0, 0]


def test_nothing_changed_is_no_effect():
    assert (measured(WHOLE) == 0).all(axis=None)


@pytest.mark.parametrize("successes, images", [(0, 40), (7, 40), (40, 40), (300, 4000)])
def test_the_interval_is_that_of_statsmodels(successes, images):
    assert probes.wilson(successes / images, images) == pytest.approx(
        proportion_confint(successes, images, method="wilson"), abs=1e-12
    )


def test_the_table_has_a_row_for_each_arm_and_probe():
    found = measured(WHOLE[:, ::-1])
    table = probes.probe_table({"one": {"hot": found, "cold": found}, "two": {"hot": found}})
    assert table[["arm", "probe"]].to_numpy().tolist() == [
        ["one", "hot"],
        ["one", "cold"],
        ["two", "hot"],
    ]
    assert (table["images"] == 3).all() and table["flip"].tolist() == pytest.approx(
        [found["flip"].mean()] * 3
    )
    low, high = probes.wilson(found["to_true"].mean(), 3)
    assert (table["to_true_low"] == low).all() and (table["to_true_high"] == high).all()
    nothing = probes.probe_table({"one": {"hot": measured(WHOLE[:0])}})
    assert nothing["images"].tolist() == [0] and nothing[
        ["flip", "flip_low", "to_true_high"]
    ].isna().all(axis=None)


def test_a_contrast_is_paired():
    """Whatever the images differ in drops out: a constant difference has no width."""
    base = np.random.default_rng(0).normal(size=200)
    probe, control = ({"drop": base + shift} for shift in (0.5, 0.0))
    low, high = probes.contrast(probe_table(probe), probe_table(control), "drop")[1:]
    assert low == pytest.approx(0.5) and high == pytest.approx(0.5)


def probe_table(columns):
    return pd.DataFrame(columns)

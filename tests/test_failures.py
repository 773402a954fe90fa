"""Which errors are looked at: the rules are stated, hold without a network, and do not depend on the order of the rows."""
import numpy as np
import pytest

from lib import failures, phantom


def test_a_half_is_the_parity_of_the_id_whatever_else_is_asked_for():
    assert failures.half([1214, 8225, 0]).tolist() == ["discovery", "confirmation", "discovery"]
    ids = np.random.default_rng(0).permutation(10_000)
    halves = failures.half(ids)
    assert (halves[:100] == failures.half(ids[:100])).all() and (halves == "discovery").sum() == 5_000
    with pytest.raises(ValueError, match="ids: got float64"):
        failures.half([0.5])


@pytest.mark.parametrize("seed", [42, 43])
def test_the_phantoms_classes_and_causes_are_alike_in_both_halves(seed):
    plan = phantom._plan("test", 4_000, seed)
    first = failures.half(np.arange(4_000)) == "discovery"
    for what in ("labels", "cause"):
        counts = np.bincount(plan[what])
        expected = np.abs(np.bincount(plan[what][first]) - counts / 2)
        assert (expected < 4 * np.sqrt(counts) / 2).all()  # four standard deviations of a fair coin

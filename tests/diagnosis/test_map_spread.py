"""Spread of maps against SciPy's entropy, and the paired test against SciPy and an effect that is
known."""

import numpy as np
import pytest
from scipy.stats import entropy, wilcoxon

from lib.diagnosis import faithfulness

MAPS = np.random.default_rng(0).normal(size=(200, 4, 4))


def test_the_entropy_is_that_of_scipy():
    table = faithfulness.spread(MAPS)
    positive = MAPS.clip(0).reshape(200, 16)
    np.testing.assert_allclose(table["entropy"], entropy(positive, axis=1))
    np.testing.assert_allclose(table["normalised_entropy"], entropy(positive, axis=1, base=16))
    np.testing.assert_allclose(table["hottest_share"], positive.max(1) / positive.sum(1))


def test_the_ends_of_the_scale():
    one, all_alike = -np.ones((4, 4)), np.full((4, 4), 0.3)
    one[2, 1] = 5
    table = faithfulness.spread([one, all_alike])
    assert table["entropy"].tolist() == pytest.approx([0, np.log(16)]) and not np.signbit(
        table["entropy"][0]
    )
    assert table["normalised_entropy"].tolist() == pytest.approx([0, 1])
    assert table["hottest_share"].tolist() == pytest.approx([1, 1 / 16])


def test_the_strength_of_a_map_does_not_matter():
    np.testing.assert_allclose(faithfulness.spread(MAPS), faithfulness.spread(1000 * MAPS))


def test_a_map_without_a_positive_cell_is_excluded_in_both_arms_and_counted():
    before, after = MAPS[:6].copy(), MAPS[6:12].copy()
    before[1], after[4] = -1, 0
    assert faithfulness.spread(before).isna().all(axis=1).tolist() == [
        False,
        True,
        False,
        False,
        False,
        False,
    ]
    found, kept = faithfulness.compare(before, after), [0, 2, 3, 5]
    assert (found["images"], found["excluded"]) == (4, 2)
    assert found == faithfulness.compare(before[kept], after[kept]) | {"excluded": 2}


def test_the_paired_test_is_that_of_scipy_and_sees_a_wider_spread():
    wider = MAPS + 0.5
    found = faithfulness.compare(MAPS, wider)
    one, other = faithfulness.spread(MAPS), faithfulness.spread(wider)
    for measure in faithfulness.MEASURES:
        assert found[measure]["p_value"] == pytest.approx(
            wilcoxon(other[measure], one[measure]).pvalue
        )
        change = other[measure] - one[measure]
        above = wilcoxon(change, alternative="greater", method="approx", correction=False).pvalue
        assert (found[measure]["rank_sum"] > 0) == (above < 0.5)
        assert found[measure]["difference"]["estimate"] == pytest.approx(
            found[measure]["after"] - found[measure]["before"]
        )
    assert found["entropy"]["difference"]["low"] > 0 > found["hottest_share"]["difference"]["high"]


def test_equal_arms_and_no_arms():
    same = faithfulness.compare(MAPS, MAPS)["entropy"]
    assert same["p_value"] == 1 and same["difference"] == {"estimate": 0, "low": 0, "high": 0}
    assert faithfulness.compare(-np.ones((3, 4, 4)), MAPS[:3]) == {
        "images": 0,
        "excluded": 3,
    } | dict.fromkeys(faithfulness.MEASURES)
    assert faithfulness.compare(MAPS[:0], MAPS[:0])["images"] == 0


def test_arms_of_different_images_are_refused():
    with pytest.raises(ValueError, match="got 3 and 2 maps"):
        faithfulness.compare(MAPS[:3], MAPS[:2])

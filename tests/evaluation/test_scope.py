"""What may be said: equivalence against statsmodels, trends and shares against tests computed
otherwise, copies of runs."""

import numpy as np
import pytest
from scipy.stats import chi2
from scipy.stats import t as student_t
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired
from synthetic import run

from lib.evaluation import scope


def test_three_networks_an_arm_speak_of_the_method_and_two_do_not():
    assert [scope.about(seeds) for seeds in (1, 2, 3, 5)] == ["networks"] * 2 + ["method"] * 2
    assert scope.networks(1) == "these two networks" and scope.networks(2) == "these four networks"
    assert "nothing of the method" in scope.caveat(2) and scope.caveat(3) == ""


@pytest.mark.parametrize("margin", [0.005, 0.0104, 0.0106, 0.02, 0.05])
@pytest.mark.parametrize("shift", [-0.004, 0.0, 0.004])
def test_equivalence_is_statsmodels_two_one_sided_tests(margin, shift):
    each = shift + np.array([0.011, -0.006, 0.002, 0.004])
    half = student_t.isf(0.05, 3) * each.std(ddof=1) / 2
    expected = ttost_paired(each, np.zeros(4), -margin, margin)[0] < 0.05
    found = scope.equivalence(each.mean() - half, each.mean() + half, margin)
    assert found.equivalent == expected


def test_a_wide_interval_finds_no_difference_and_no_equivalence():
    assert not scope.equivalence(-0.05, 0.06).equivalent
    assert scope.equivalence(-0.004, 0.009).equivalent
    with pytest.raises(ValueError, match="above 0"):
        scope.equivalence(0, 0, 0)


def test_among_many_numbers_one_that_barely_differs_is_not_said_to():
    barely = {"estimate": 1.0, "low": 0.01, "high": 2.0}
    changes = {name: barely for name in "abcdefgh"}
    p_values = dict(zip(changes, [0.04, 0.001, 0.003, 0.045, 0.6, 0.7, 0.8, 0.9]))
    found = scope.found(changes, p_values, ("a",))
    # "a" was asked first; of the other seven multipletests keeps two
    kept = multipletests([p_values[name] for name in "bcdefgh"], method="fdr_bh")[0]
    assert (
        [found[name] != "none" for name in "bcdefgh"] == kept.tolist() == [True] * 2 + [False] * 5
    )
    assert found["a"] == "higher"
    assert scope.said(barely) == "higher" and scope.said(barely | {"found": "none"}) == "none"


def armitage(hits: np.ndarray, level: np.ndarray) -> float:
    """Cochran and Armitage's test of trend, by hand: the p-value of N r^2 under chi squared."""
    r = np.corrcoef(hits, level)[0, 1]
    return chi2.sf(len(hits) * r**2, 1)


def test_a_trend_that_two_overlapping_intervals_hide_is_found():
    # 5 levels of confidence, 170 errors each, shares from 40 % down to 28 %
    level = np.repeat(np.arange(5), 170)
    hits = np.concatenate(
        [np.arange(170) < round(170 * share) for share in (0.40, 0.37, 0.34, 0.31, 0.28)]
    )
    found = scope.trend(hits, level)
    # of ranks of equal levels Spearman's is Cochran and Armitage's but for N - 1 in place of N
    assert found["p_value"] == pytest.approx(armitage(hits, level), rel=0.05)
    assert found["found"] == "falls" and found["rows"] == 850
    ends = [
        share + side * 1.96 * np.sqrt(share * (1 - share) / 170)
        for share, side in ((0.40, -1), (0.28, 1))
    ]
    assert ends[0] < ends[1]


def test_without_a_trend_one_is_found_in_about_five_of_a_hundred():
    generator = np.random.default_rng(0)
    found = [
        scope.trend(generator.random(200) < 0.3, generator.random(200))["found"] != "none"
        for _ in range(400)
    ]
    assert 6 <= sum(found) <= 36


def test_fewer_than_six_rows_or_a_constant_find_nothing():
    assert scope.trend([0, 1, 0, 1, 1], [1, 2, 3, 4, 5])["found"] is None
    # 0.02 by Student's approximation; of the 20 orders two are as far apart
    assert scope.trend([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6])["found"] is None
    assert scope.trend(np.ones(20), np.arange(20)) == {
        "rows": 20,
        "rho": None,
        "p_value": None,
        "found": None,
    }


def test_copies_of_a_run_have_one_vote():
    runs = {0: run(0), 1: run(1), 2: run(0), 3: run(1), 4: run(2)}
    assert list(scope.distinct(runs)) == [0, 1, 4]

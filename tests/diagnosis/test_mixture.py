"""Corrected shares of causes against linear algebra, and against mixtures that were made."""

import numpy as np
import pytest

from lib.diagnosis import mixture
from lib.diagnosis.verdict import CAUSES

pytestmark = pytest.mark.slow

TABLE = np.array(
    [
        [0.80, 0.05, 0.02, 0.05, 0.08],
        [0.06, 0.78, 0.02, 0.04, 0.10],
        [0.02, 0.02, 0.76, 0.05, 0.15],
        [0.03, 0.03, 0.05, 0.80, 0.09],
        [0.05, 0.03, 0.07, 0.05, 0.80],
    ]
)
SHARES = np.array([0.05, 0.1, 0.15, 0.3, 0.4])


def planted(table=TABLE, sources=150):
    """Counts (sources, causes, causes) of one planted error of every cause a source, called as the
    table says."""
    generator = np.random.default_rng(0)
    counts = np.zeros((sources, 5, 5))
    for row in range(5):
        called = generator.choice(5, sources, p=table[row])
        counts[np.arange(sources), row, called] += 1
    return counts


def calls(shares=SHARES, errors=2000, table=TABLE, seed=1):
    generator = np.random.default_rng(seed)
    cause = generator.choice(5, errors, p=shares)
    return np.array(CAUSES)[[generator.choice(5, p=table[one]) for one in cause]]


def test_exact_calls_give_the_shares_that_linear_algebra_gives():
    observed = SHARES @ TABLE
    found = mixture.mixture(observed[None], TABLE[None])[0]
    np.testing.assert_allclose(found, np.linalg.solve(TABLE.T, observed), atol=2e-3)


def test_shares_stay_shares_where_linear_algebra_leaves_them():
    observed = np.array([0.0, 0.0, 0.0, 0.0, 1.0])
    assert np.linalg.solve(TABLE.T, observed).min() < 0
    found = mixture.mixture(observed[None], TABLE[None])[0]
    assert found.min() >= 0 and found.sum() == pytest.approx(1) and found[4] > 0.99


def test_intervals_hold_the_made_shares_and_the_table_makes_them_wider():
    held = []
    for seed in range(6):
        found = mixture.corrected(planted(), calls(seed=seed), seed)
        low, high = np.quantile(found.drawn, [0.025, 0.975], axis=0)
        held.append((low <= SHARES) & (high >= SHARES))
    # one table for all: its own luck is shared
    assert np.mean(held) > 0.75
    many = mixture.corrected(planted(sources=15_000), calls())
    few = mixture.corrected(planted(), calls())
    assert (np.ptp(many.drawn, 0) < np.ptp(few.drawn, 0)).all()


def test_precision_at_the_mix_is_bayes_rule():
    found = mixture.precision(SHARES[None], TABLE[None])[0]
    for place in range(5):
        joint = SHARES * TABLE[:, place]
        assert found[place] == pytest.approx(joint[place] / joint.sum())


def test_a_rare_cause_gets_no_verdict_and_a_frequent_one_does():
    found = mixture.corrected(planted(), calls())
    assert not found.obstacle
    low = np.quantile(found.drawn_precision, 0.025, axis=0)
    assert found.trusted == [cause for cause, one in zip(CAUSES[:4], low) if one > 0.7]
    assert "label_error" in found.trusted and "background" not in found.trusted


def test_a_verdict_does_not_rest_on_the_mix_alone():
    """Background is called often where it is not, and yet right if nearly all errors are of it."""
    table = 0.8 * np.eye(5) + 0.04
    table[1:, 0] += 0.3
    table /= table.sum(1, keepdims=True)
    shares = np.array([0.8, 0.05, 0.05, 0.05, 0.05])
    found = mixture.corrected(planted(table, 3000), calls(shares, table=table))
    assert np.quantile(found.drawn_precision, 0.025, axis=0)[0] > 0.9
    assert found.evenly[0] == pytest.approx(table[0, 0] / table[:, 0].sum(), abs=0.02)
    assert found.evenly[0] < 0.5 and "background" not in found.trusted
    assert not found.obstacle


def test_a_table_that_tells_nothing_apart_gives_no_verdicts():
    alike = TABLE.copy()
    alike[0] = alike[1]
    found = mixture.corrected(planted(alike, 2000), calls(table=alike))
    assert "told apart" in found.obstacle and found.trusted == []


def test_calls_that_no_mix_gives_are_told():
    # every planted background is called one of three things, real errors are all called one of them
    spread = np.tile([0.3, 0.3, 0.2, 0.1, 0.1], (5, 1)) + 0.5 * (np.eye(5) - 0.2)
    spread /= spread.sum(1, keepdims=True)
    found = mixture.corrected(planted(spread, 2000), np.full(1000, "background"))
    assert "no mix" in found.obstacle and found.trusted == []


def test_a_verdicts_probability_is_weighted_with_the_shares():
    found = mixture.corrected(planted(), calls())
    generator = np.random.default_rng(0)
    probability = generator.dirichlet(np.ones(5), 30)
    called = np.array(CAUSES)[probability.argmax(1)]
    said = mixture.at_mix(probability, found, called)
    for row in (0, 7, 29):
        weighted = probability[row] * found.shares
        expected = weighted[CAUSES.index(called[row])] / weighted.sum()
        assert said["probability"][row] == pytest.approx(expected)
        assert said["low"][row] < expected < said["high"][row]


def values(cause, shift=0.0, seed=0):
    """Four readings of errors of these causes, which differ in the mean."""
    generator = np.random.default_rng(seed)
    place = np.array([CAUSES.index(one) for one in cause])
    return generator.normal(size=(len(cause), 4)) + place[:, None] * [1, -1, 0.5, 0] + shift


def drawn(errors=600, seed=1):
    return np.random.default_rng(seed).choice(CAUSES, errors, p=SHARES)


def test_errors_that_read_alike_are_not_told_apart_at_the_mix():
    spiked = np.repeat(CAUSES, 150)
    given = values(spiked), spiked, values(drawn(), seed=2)
    assert mixture.told_apart(*given, SHARES) == pytest.approx(0.5, abs=0.05)
    # at another mix they are
    assert mixture.told_apart(*given, SHARES[::-1]) > 0.6


def test_no_share_is_told_where_real_errors_do_not_read_like_planted_ones():
    sharp = 0.9 * np.eye(5) + 0.02
    spiked = np.repeat(CAUSES, 150)
    found = mixture.corrected(planted(sharp), calls(table=sharp))
    alike = mixture.held_against(found, values(spiked), spiked, values(drawn(), seed=2))
    assert alike.obstacle == "" and alike.trusted == found.trusted != []
    other = mixture.held_against(found, values(spiked), spiked, values(drawn(), 1.0, seed=2))
    assert other.trusted == [] and f"{other.apart:.2f}" in other.obstacle
    assert mixture.numbers(other)["shares"] is None
    few = mixture.held_against(found, values(spiked), spiked, values(drawn(4)))
    assert few.obstacle == "too few errors were read"


@pytest.mark.parametrize("errors", [12, 50, 400])
def test_calls_drawn_from_a_mix_are_not_said_to_be_of_none(errors):
    half = np.array([0.0, 0.0, 0.0, 0.5, 0.5])
    told = [
        mixture.corrected(planted(sources=300), calls(half, errors, seed=seed)).obstacle
        for seed in range(40)
    ]
    assert sum(one.startswith("no mix") for one in told) <= 4
    # of few errors it is not known either, and no verdict is given
    assert errors > 12 or sum(one.startswith("too few errors") for one in told) > 10

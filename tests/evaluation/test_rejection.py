"""Rejection of all arms and seeds: thresholds, the promise from validation, scores and curves."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint
from synthetic import run

from lib.evaluation import rejection, summary
from lib.evaluation.bootstrap import resample
from lib.evaluation.selective import rejection_table
from lib.evaluation.summary import arm_numbers, confidence_of
from lib.report.chapters import confidence


def study(seeds):
    return {
        "a": {seed: run(seed) for seed in range(seeds)},
        "b": {seed: run(50 + seed, signal=3.0, scale=2) for seed in range(seeds)},
    }


def test_one_seed_has_the_exact_interval_and_several_have_mean_and_deviation():
    single, triple = (
        rejection.rejection(study(1), [0.5, 0.7]),
        rejection.rejection(study(3), [0.5, 0.7]),
    )
    expected = rejection_table(confidence_of(run(0)), run(0).test.correct, [0.5, 0.7]).iloc[1]
    row = single[(single["arm"] == "a") & (single["threshold"] == 0.7)].iloc[0]
    assert (row.coverage, row.errors_accepted, row.risk_low, row.risk_high) == tuple(
        expected[["coverage", "errors_accepted", "risk_low", "risk_high"]]
    )
    risks = [
        rejection_table(confidence_of(run(seed)), run(seed).test.correct, [0.7])
        .iloc[0]
        .selective_risk
        for seed in range(3)
    ]
    row = triple[(triple["arm"] == "a") & (triple["threshold"] == 0.7)].iloc[0]
    assert (row.selective_risk, row.selective_risk_sd) == (
        pytest.approx(np.mean(risks)),
        pytest.approx(np.std(risks, ddof=1)),
    )
    assert triple[["risk_low", "risk_high"]].isna().all(axis=None) and row.n == 3
    assert row.accepting == 3
    assert (
        "risk (95%)" in rejection.rejection_view(single)
        and "±" in rejection.rejection_view(triple)["risk"][0]
    )


@pytest.mark.parametrize(
    "found, low, said",
    [
        (0.1, 0.05, "kept"),
        (0.12, 0.09, "above, within chance"),
        (0.2, 0.15, "broken"),
        (np.nan, 0, None),
    ],
)
def test_a_promise_is_kept_broken_or_within_chance(found, low, said):
    assert rejection.outcome(found, low, 0.1) == said


def test_a_promise_is_checked_on_test_and_none_is_made_where_validation_allows_none():
    table = rejection.promises(study(2), 0.25)
    assert table["seed"].tolist() == [0, 1, 0, 1]
    made = table[table["arm"] == "b"]
    assert made["threshold"].notna().all() and (made["outcome"] == "kept").all()
    for row in made.itertuples():
        accepted = confidence_of(run(50 + row.seed, signal=3.0, scale=2)) >= row.threshold
        assert row.coverage == pytest.approx(accepted.mean())
    never = rejection.promises(study(1), 0.001)
    assert never["threshold"].isna().all() and never["outcome"].isna().all()
    assert rejection.promises_view(never)["threshold"].tolist() == ["none", "none"]


def test_scores_stand_beside_each_other_with_their_paired_difference():
    trained = study(1)
    numbers = {arm: arm_numbers(of_seeds) for arm, of_seeds in trained.items()}
    sampled = resample(
        trained, {arm: of_arm["temperature"]["each"] for arm, of_arm in numbers.items()}, 200
    )
    changes = rejection.score_changes(numbers, sampled)
    margin = changes["a"]["margin"]
    assert margin["estimate"] == pytest.approx(
        numbers["a"]["aurc_margin"]["mean"] - numbers["a"]["aurc"]["mean"]
    )
    assert margin["low"] <= margin["estimate"] <= margin["high"]
    view = rejection.scores_view(numbers, changes)
    assert view["score"].tolist() == ["maximum softmax", "logit margin", "normalised logit"] * 2
    assert (
        view["AUGRC"][0] == f"{numbers['a']['augrc']['mean']:.3f}"
        and len(rejection.scores(numbers)) == 18
    )


def test_a_curve_has_the_exact_interval_of_one_seed_and_the_ends_of_several():
    one = rejection.curve({0: run(0)})
    low, high = proportion_confint(round(one["risk"].iloc[-1] * 300), 300, method="beta")
    assert one.iloc[-1][["coverage", "low", "high"]].tolist() == pytest.approx([1.0, low, high])
    several = rejection.curve(study(3)["a"])
    ends = [1 - run(seed).test.correct.mean() for seed in range(3)]
    assert several.iloc[-1][["low", "risk", "high"]].tolist() == pytest.approx(
        [min(ends), np.mean(ends), max(ends)]
    )
    ax = confidence.risk_coverage({"a": one, "cutmix_only": several}, 0.1)
    assert {text.get_text(): text.get_color() for text in ax.texts} == {
        "a": "#0072B2",
        "CutMix only": "#D55E00",
    } and len(ax.collections) == 2
    assert ax.lines[0].get_ydata() == [0.1, 0.1] and ax.get_ylim()[1] >= 0.1


def test_five_reliability_diagrams_have_a_panel_each_and_a_line_a_seed():
    tables = {f"arm{place}": summary.reliability(study(2)["a"]) for place in range(5)}
    axes = confidence.reliability_figure(tables)
    assert axes.shape == (4, 3)
    assert [axis.get_title(loc="left") or axis.get_title() for axis in axes[[0, 2]].flat] == [
        "arm0",
        "arm1",
        "arm2",
        "arm3",
        "arm4",
        "",
    ]
    assert len(axes[0, 0].lines) == 3 and not axes[2, 2].axison
    assert not axes[0, 0].figure.legends
    (legend,) = confidence.reliability_figure(tables, scaled=tables)[0, 0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["before scaling", "after"]


def test_confident_errors_stand_beside_the_ceiling():
    table = summary.confident_errors(
        {"a": {0: run(0)}, "s": {0: run(1, params={"label_smoothing": 0.1})}}
    )
    assert np.isnan(table["ceiling"].astype(float)[0]) and table["ceiling"][1] == pytest.approx(
        0.92
    )
    order = np.argsort(-confidence_of(run(0)), kind="stable")[:60]
    assert table["top 20%"][0] == (~run(0).test.correct[order]).sum()
    assert summary.ceiling(0.1, 100) == pytest.approx(0.901)
    assert summary.confident_errors_view(table)["smoothing's ceiling"][1] == "0.920"
    plain = summary.confident_errors_view(table.assign(ceiling=float("nan")))
    assert "smoothing's ceiling" not in plain and plain.columns[1].startswith("errors")


def test_the_calibration_table_has_all_arms_before_and_after():
    numbers = {arm: arm_numbers(of_seeds) for arm, of_seeds in study(3).items()}
    view = summary.calibration_view(numbers)
    assert (
        view["arm"].tolist() == ["a", "a", "b", "b"] and view["temperature"].tolist()[0] == "none"
    )
    assert (
        view["Brier score"][1]
        == f"{numbers['a']['brier_scaled']['mean']:.3f} ± {numbers['a']['brier_scaled']['sd']:.3f}"
    )
    assert len(summary.calibration(numbers)) == 20

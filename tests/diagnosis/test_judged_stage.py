"""What the third notebook makes of judged arms, and the check of the spike-ins against planted
truth."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import spiked

from lib.diagnosis import mixture, rule, score, stage
from lib.diagnosis.verdict import CAUSES
from lib.evaluation.failures import half

pytestmark = pytest.mark.slow

CHOSEN = 3


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two arms on one set of pictures, judged; of the second four errors are read."""
    first, run, splits = spiked.study(images=280)
    second, other, _ = spiked.study(images=280, seed=1)
    pair, models = {"baseline": run, "cutmix": other}, {"baseline": first, "cutmix": second}
    read = {arm: np.flatnonzero(~one.test.correct) for arm, one in pair.items()}
    chosen = read["baseline"][:CHOSEN]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rule, "GAIN", np.inf)
        patch.setitem(rule.TREES, "max_iter", 2)
        judged = stage.judge_arms(
            pair, models, splits, tmp_path_factory.mktemp("kept"), read, chosen, each=30
        )
    return pair, splits, judged, chosen


def test_each_arm_is_judged_with_the_other_ones_opinion(study):
    pair, _, judged, _ = study
    assert list(judged) == ["baseline", "cutmix"]
    for arm, one in judged.items():
        assert one.position.tolist() == np.flatnonzero(~pair[arm].test.correct).tolist()
        assert "others true" in one.readings


def test_nothing_is_judged_where_nothing_is_planted(study):
    pair, splits, judged, _ = study
    read = {arm: one.position for arm, one in judged.items()}
    assert stage.judge_arms(pair, {}, splits, None, read, each=0) == {}


def test_the_table_has_every_error_with_what_led(study):
    pair, splits, judged, _ = study
    table = stage.judged_table(judged, pair, splits)
    assert len(table) == sum(len(one.position) for one in judged.values())
    row = len(judged["baseline"].position) + 2
    said, one = table.iloc[row], judged["cutmix"]
    assert said["arm"] == "cutmix" and said["verdict"] == one.verdicts["verdict"][2]
    assert said["half"] == half(np.array([said["id"]]))[0]
    label = pair["cutmix"].test.labels[one.position[2]]
    assert said["true"] == splits.class_names[label]
    assert said[one.verdicts["led"][2]] == pytest.approx(one.verdicts["value"][2])
    assert "planted" not in table


def test_verdicts_are_found_by_position(study):
    _, _, judged, _ = study
    one = judged["baseline"]
    few = stage.verdicts_at(one, one.position[[4, 1]])
    pd.testing.assert_frame_equal(few, one.verdicts.iloc[[4, 1]].reset_index(drop=True))
    assert stage.verdicts_at(one._replace(verdicts=None), one.position) is None


def identified(judged, obstacle="", right=0.9):
    """The same arms, whose mixture has this obstacle and whose verdicts are so often right."""
    return {
        arm: one._replace(
            mixture=one.mixture._replace(
                obstacle=obstacle,
                evenly=np.full(len(CAUSES), right),
                drawn_precision=np.full_like(one.mixture.drawn_precision, right),
            )
        )
        for arm, one in judged.items()
    }


def test_shares_that_are_not_identified_are_not_told(study):
    _, _, judged, _ = study
    for hidden in (
        identified(judged, "two causes are called alike"),
        identified(judged, right=0.69),
    ):
        table = stage.corrected_shares(hidden)
        assert table[["share", "low", "high", "precision low"]].isna().all(axis=None)
        assert not table["trusted"].any() and table["errors"].sum() > 0
        assert stage.corrected_view(table)["baseline share (95%)"].isna().all()
        assert stage.rule_numbers(hidden)["baseline"]["mixture"]["shares"] is None


def test_shares_are_those_of_the_causes_that_are_trusted_and_leave_the_chosen_out(study):
    _, _, judged, chosen = study
    judged = identified(judged)
    table = stage.corrected_shares(judged, chosen)
    for arm, rows in table.groupby("arm"):
        left = ~np.isin(judged[arm].position, chosen)
        called = judged[arm].verdicts["verdict"][left].value_counts()
        assert rows.set_index("verdict")["errors"].to_dict() == {
            cause: int(called.get(cause, 0)) for cause in CAUSES
        }
        shares = judged[arm].mixture.shares
        assert rows["share"].tolist()[:4] == pytest.approx(shares[:4].tolist(), abs=0.001)
        assert np.isnan(rows["share"].iloc[4]) and rows["trusted"].tolist() == [True] * 4 + [False]
        known = rows.iloc[:4]
        assert (known["low"] <= known["share"]).all() and (known["share"] <= known["high"]).all()
    view = stage.corrected_view(table)
    assert len(view) == len(CAUSES) and "baseline share (95%)" in view


def phantom(study, right: float):
    """A judgement of real errors whose planted causes a share `right` of the verdicts names, the
    rest unexplained; of the spike-ins 0.8 of every cause is found."""
    _, splits, judged, _ = study
    generator = np.random.default_rng(0)
    errors, planted_each = 1000, 300
    cause = generator.choice(CAUSES, errors)
    said = np.where(generator.random(errors) < right, cause, "unexplained")
    table = pd.DataFrame(
        {
            "cause": np.where(cause == "unexplained", "none", cause),
            "cause_class": np.where(cause == "unexplained", -1, 1),
            "object_class": 0,
        }
    )
    spikes = np.repeat(CAUSES, planted_each)
    found = generator.random(len(spikes)) < 0.8
    probability = np.full((len(spikes), 5), 0.01)
    probability[np.arange(len(spikes)), np.where(found, np.repeat(range(5), planted_each), 4)] = (
        0.96
    )
    learnt = rule.Rule(
        judged["baseline"].rule.model, {}, probability, np.arange(len(spikes)) % rule.FOLDS
    )
    one = judged["baseline"]._replace(
        spiked=judged["baseline"].spiked._replace(cause=spikes, source=np.arange(len(spikes))),
        rule=learnt,
        position=np.arange(errors),
        verdicts=pd.DataFrame({"verdict": said}),
    )
    split = dataclasses.replace(splits.test, planted=table)
    predicted = np.where(np.arange(errors) % 5, 1, 2)  # of every fifth the cause does not act
    acts = (predicted == 1) | (cause == "unexplained")
    return score.agreement(one, split, predicted), cause, said, acts


def rows_of(table, measure):
    return table[table["measure"] == measure].set_index("cause")


def test_promised_and_found_agree_where_they_are_alike(study):
    table, cause, said, acts = phantom(study, right=0.8)
    rows, right = rows_of(table, score.FOUND), said == cause
    for name in CAUSES[:4]:
        assert rows["found"][name] == pytest.approx(right[acts & (cause == name)].mean())
        assert rows["errors"][name] == (acts & (cause == name)).sum()
        assert rows["all found"][name] == pytest.approx(right[cause == name].mean())
        assert rows["all errors"][name] == (cause == name).sum()
    assert rows["errors"]["nothing called something"] == (cause == "unexplained").sum()
    assert rows["errors"]["mean of causes"] == (acts & (cause != "unexplained")).sum()
    assert rows["agree"][list(CAUSES[:4])].sum() >= 3
    assert rows["promised"]["mean of causes"] == pytest.approx(0.8, abs=0.05)


def test_verdicts_and_shares_are_held_against_the_mixture(study):
    table, cause, said, acts = phantom(study, right=0.8)
    mix = study[2]["baseline"].mixture
    for name in CAUSES[:4]:
        right, share = (rows_of(table, one).loc[name] for one in (score.RIGHT, score.SHARE))
        place = CAUSES.index(name)
        assert right["found"] == pytest.approx((cause == name)[acts & (said == name)].mean())
        # a mixture is of all errors
        assert share["found"] == share["all found"] == pytest.approx((cause == name).mean())
        assert share["errors"] == len(cause)
        if name in mix.trusted:
            assert share["promised"] == pytest.approx(mix.shares[place])
            assert right["promised"] == pytest.approx(mix.precision[place])
        else:
            assert np.isnan(share["promised"]) and np.isnan(right["promised"])


def test_where_they_differ_the_table_says_so(study):
    table, *_ = phantom(study, right=0.4)
    rows = rows_of(table, score.FOUND)
    assert not rows["agree"][list(CAUSES[:4])].any()
    assert (rows["difference"][list(CAUSES[:4])] < -0.2).all()
    view = score.agreement_view(table)
    assert view["agree"].tolist()[:4] == ["no"] * 4


def test_only_a_judged_arm_of_a_phantom_is_checked(study):
    pair, splits, judged, chosen = study
    one, run = judged["baseline"], pair["baseline"]
    assert score.checked(one, run, splits) is None and score.checked(None, run, splits) is None
    table = pd.DataFrame({"cause": ["none"] * 280, "cause_class": -1, "object_class": 0})
    planted = dataclasses.replace(splits, test=dataclasses.replace(splits.test, planted=table))
    found = rows_of(score.checked(one, run, planted, chosen), score.FOUND)
    assert found["errors"]["nothing called something"] == len(one.position) - CHOSEN
    four = list(CAUSES[:4])
    assert found["found"][four].isna().all() and found["agree"][four].isna().all()
    assert score.checked(one, run, planted, one.position) is None


def test_shares_of_no_arm_are_an_empty_table(study):
    pair, splits, judged, _ = study
    bare = {"baseline": judged["baseline"]._replace(verdicts=None, mixture=None)}
    assert not len(stage.corrected_shares(bare)) and not len(stage.judged_table(bare, pair, splits))
    assert mixture.numbers(judged["baseline"].mixture)["obstacle"] == (
        judged["baseline"].mixture.obstacle
    )
    assert stage.rule_numbers({"baseline": judged["baseline"]._replace(rule=None)}) == {}


def test_the_instruments_table_is_the_score_of_each_arm(study):
    pair, _, judged, _ = study
    table = stage.instrument_table(judged)
    assert len(table) == 2 * (len(CAUSES) + 1)
    one = judged["cutmix"]
    marks = rule.score(one.rule, one.spiked.cause, one.spiked.source)
    rows = table[table["arm"] == "cutmix"].set_index("cause")
    assert rows["recall"]["look_alike"] == marks["recall look_alike"]["estimate"]
    assert rows["recall low"]["mean of causes"] == marks["macro recall"]["low"]
    assert rows["planted"]["background"] == (one.spiked.cause == "background").sum()
    view = stage.instrument_view(table)
    planted = (judged["baseline"].spiked.cause == "background").sum()
    assert view["planted"].tolist()[0] == str(planted)
    assert pd.isna(view["precision (95%)"].tolist()[4])
    caption = stage.corrected_caption(judged, pair)
    errors = int((~pair["baseline"].test.correct).sum())
    assert f"{errors} of {errors} errors of baseline" in caption

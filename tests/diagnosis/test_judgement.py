"""One network judged from plants to verdicts: what is kept and when it is made anew, and whether a
verdict turns where it says that it would."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import spiked

from lib.diagnosis import judgement, label_doubt, mixture, readings, rule, spikes
from lib.diagnosis.verdict import CAUSES

pytestmark = pytest.mark.slow

EACH = 25


@pytest.fixture(scope="module")
def study():
    return spiked.study(images=280)


@pytest.fixture(scope="module")
def others():
    network, run, _ = spiked.study(images=280, seed=1)
    return {"other": (run, network)}


@pytest.fixture(scope="module")
def module_patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("spikes")


@pytest.fixture(scope="module", params=["linear", "boosted"])
def judged(study, others, folder, request, module_patch):
    network, run, splits = study
    # either rule must be able to stand where it is the better one
    module_patch.setattr(rule, "GAIN", {"linear": np.inf, "boosted": -np.inf}[request.param])
    module_patch.setitem(rule.TREES, "max_iter", 4)
    # most of a fit goes to the edges of the bins
    module_patch.setitem(rule.TREES, "max_bins", 4)
    module_patch.setattr(spikes, "EACH", EACH)
    return judgement.judge(run, network, splits, others, "filters", folder, each=EACH)


def test_every_error_is_read_and_judged(judged, study):
    run = study[1]
    assert judged.position.tolist() == np.flatnonzero(~run.test.correct).tolist()
    assert len(judged.verdicts) == len(judged.readings) == len(judged.position)
    assert set(judged.verdicts["verdict"]) <= set(CAUSES)
    assert (judged.verdicts["low"] <= judged.verdicts["probability"] + 1e-9).all()
    assert (judged.verdicts["probability"] <= judged.verdicts["high"] + 1e-9).all()
    assert (judged.verdicts["second"] != judged.verdicts["verdict"]).all()


def test_planted_and_real_errors_are_read_alike(judged):
    assert list(judged.spiked.readings) == list(judged.readings) == list(readings.READINGS)


def test_trust_is_the_mixtures(judged):
    trusted = judged.verdicts["verdict"].isin(judged.mixture.trusted)
    assert (judged.verdicts["trusted"] == trusted).all()


def test_a_verdict_turns_where_it_says(judged):
    """The reading that led is set beyond the stated value, and just before it."""
    limit, step = judged.rule.thresholds[rule.ALLOWED], judgement.STEPS[1]
    model, turned = judged.rule.model, 0
    for row, said in judged.verdicts.iterrows():
        if np.isnan(said["turns"]):
            continue
        scale = model.scale[model.names.index(said["led"])]
        way = np.sign(said["turns"] - said["value"])
        for far, expected in ((1e-6, said["instead"]), (-1.001 * step * scale, said["verdict"])):
            changed = judged.readings.iloc[[row]].copy()
            changed[said["led"]] = said["turns"] + way * far
            p = rule.probabilities(model, changed)
            assert rule.call(p, limit)[0] == expected
        turned += 1
    assert turned > 3


def test_what_led_speaks_most_for_the_verdict_against_the_second(judged):
    """Of a linear rule: the largest of the products of weight and reading."""
    spiked_errors = judged.spiked
    learnt = rule.learn(*spiked_errors, boosted=False)
    said = judgement.decide(learnt, judged.mixture, judged.readings)
    model = learnt.model
    z = (judged.readings[model.names] - model.centre) / model.scale
    for row, one in said.head(10).iterrows():
        first, second = CAUSES.index(one["verdict"]), CAUSES.index(one["second"])
        products = (model.weights[first] - model.weights[second]) * z.iloc[row].to_numpy()
        assert one["led"] == model.names[int(np.argmax(products))]


def test_planted_errors_are_kept_and_read_back(judged, study, others, folder, monkeypatch):
    network, run, splits = study
    monkeypatch.setattr(spikes, "plant", lambda *_: pytest.fail("planted anew"))
    again = judgement.judge(run, network, splits, others, "filters", folder, each=EACH)
    pd.testing.assert_frame_equal(again.verdicts, judged.verdicts)


@pytest.mark.parametrize("changed", ["run", "other", "data", "each", "quick", "layer"])
def test_planted_errors_are_made_anew_when_anything_changed(
    changed, judged, study, others, folder, monkeypatch
):
    network, run, splits = study
    options = {"each": EACH, "quick": False}
    layer = "" if changed == "layer" else "filters"
    if changed == "run":
        run = dataclasses.replace(run, info=run.info | {"key": "another"})
    if changed == "other":
        others = {}
    if changed == "data":
        splits = dataclasses.replace(splits, digest="another")
    if changed in options:
        options[changed] = {"each": EACH - 1, "quick": True}[changed]

    def planted_anew(*_):
        raise InterruptedError

    monkeypatch.setattr(spikes, "plant", planted_anew)
    with pytest.raises(InterruptedError):
        judgement.judge(run, network, splits, others, layer, folder, **options)


def test_a_damaged_file_is_made_anew(study, others, judged, folder, tmp_path):
    network, run, splits = study
    (kept,) = folder.glob("*.npz")
    damaged = tmp_path / kept.name
    damaged.write_bytes(kept.read_bytes()[:1000])
    again = judgement.judge(run, network, splits, others, "filters", tmp_path, each=EACH)
    pd.testing.assert_frame_equal(again.spiked.readings, judged.spiked.readings)


def test_chosen_cases_take_no_part_in_the_mixture(judged, study, others, folder):
    network, run, splits = study
    chosen = judged.position[:6]
    few = judgement.judge(run, network, splits, others, "filters", folder, chosen=chosen, each=EACH)
    called = judged.verdicts["verdict"].to_numpy()[6:]
    confusions = rule.confusions(judged.rule, judged.spiked.cause, judged.spiked.source)
    np.testing.assert_allclose(few.mixture.shares, mixture.corrected(confusions, called).shares)
    assert len(few.verdicts) == len(judged.verdicts)


def test_without_enough_plants_there_is_evidence_and_no_verdict(study, tmp_path):
    network, run, splits = study
    few = judgement.judge(run, network, splits, {}, "", tmp_path, each=rule.LEAST - 1)
    assert few.rule is None and few.verdicts is None and few.mixture is None
    assert len(few.readings) == len(few.position) and judgement.numbers(few) is None


def test_a_network_without_maps_is_judged_without_them(study, tmp_path):
    network, run, splits = study
    judged = judgement.judge(run, network, splits, {}, None, tmp_path, each=EACH)
    assert len(judged.verdicts) == len(judged.position)
    assert not set(readings.MAPS) & set(judged.readings)


def test_the_reports_numbers_are_the_scores(judged):
    found = judgement.numbers(judged)
    assert found["planted"] == {
        cause: int((judged.spiked.cause == cause).sum()) for cause in CAUSES
    }
    sure = np.ones_like(judged.mixture.drawn_precision)
    trusted = judged.mixture._replace(obstacle="", evenly=np.ones(5), drawn_precision=sure)
    shares = mixture.numbers(trusted)["shares"]
    assert shares["unexplained"] is None
    told = sum(shares[cause]["estimate"] for cause in CAUSES[:4])
    assert told == pytest.approx(1 - judged.mixture.shares[4], abs=0.003)
    assert 0 <= found["score"]["macro recall"]["estimate"] <= 1
    assert found["linear"] == isinstance(judged.rule.model, rule.Linear)


def test_a_boosted_rule_is_not_tried_on_few_plants(study, others, folder, monkeypatch):
    network, run, splits = study
    monkeypatch.setattr(rule, "fit_boosted", lambda *_: pytest.fail("boosted"))
    monkeypatch.setattr(spikes, "EACH", EACH + 1)
    judged = judgement.judge(run, network, splits, others, "filters", folder, each=EACH)
    assert isinstance(judged.rule.model, rule.Linear)


@pytest.mark.parametrize(
    "reviewed, agree, contradicted",
    [(200, 54, True), (20, 5, True), (20, 18, False), (2, 1, False), (0, 0, False)],
)
def test_label_errors_that_people_contradict_are_no_verdicts(reviewed, agree, contradicted):
    """Of 54 of 200 the upper Clopper-Pearson limit is 0.34, of 1 of 2 it is 0.99; people's answers
    to errors that are called otherwise, the other way round, do not count."""
    sure, draws = np.ones(5), np.ones((4, 5))
    mix = mixture.Mixture(sure / 5, draws / 5, sure, draws, sure, "")
    called = np.array(["label_error"] * 200 + ["background"] * 100)
    position = 3 * np.arange(300)
    asked = np.concatenate([position[:reviewed], position[200:]])[::-1]
    accepted = np.isin(asked, position[:agree]) | (asked >= 600) & contradicted
    found = judgement.against_people(mix, (asked, accepted), position, called)
    others = ["background", "second_object", "look_alike"]
    assert mix.trusted == [*others, "label_error"]
    assert found.trusted == others + ["label_error"] * (not contradicted)
    assert judgement.against_people(mix, None, position, called) is mix


def test_a_judgement_asks_people_where_they_were_asked(study, others, folder, monkeypatch):
    network, run, splits = study
    wrong = np.flatnonzero(~run.test.correct)
    nobody = wrong, np.zeros(len(wrong), bool)
    monkeypatch.setattr(label_doubt, "accepted", lambda *_: nobody)
    monkeypatch.setattr(mixture, "PRECISION", 0.99)
    judged = judgement.judge(run, network, splits, others, "filters", folder, each=EACH)
    assert (judged.verdicts["verdict"] == "label_error").sum() > 1
    assert judged.mixture.contradicted == ("label_error",)


def test_only_a_trusted_cause_or_none_at_all_is_given():
    table = pd.DataFrame(
        {"verdict": ["background", "background", "unexplained"], "trusted": [True, False, False]}
    )
    assert judgement.given(table).tolist() == ["background", "no verdict", "unexplained"]


@pytest.mark.parametrize(
    "obstacle, contradicted, expected",
    [
        ("two causes are called alike", (), "two causes are called alike"),
        ("", ("label_error",), "reviewers contradict such verdicts"),
        ("", ("background",), "at this network's mix of causes that is not known to be right"),
    ],
)
def test_each_verdict_says_what_is_against_it(judged, obstacle, contradicted, expected):
    found = judged.readings
    mix = judged.mixture._replace(obstacle=obstacle, contradicted=contradicted)
    said = judgement.decide(judged.rule, mix, found)
    against = said.loc[said["verdict"] == "label_error", "obstacle"]
    assert len(against) and against.str.startswith(expected).all()
    # where all may be given, nothing is against any
    sure = {"drawn_precision": np.ones_like(mix.drawn_precision), "evenly": mix.evenly * 0 + 1}
    said = judgement.decide(judged.rule, mix._replace(obstacle="", contradicted=(), **sure), found)
    given = said["verdict"] != CAUSES[-1]
    assert given.any() and (said.loc[given, "obstacle"] == "").all()


def test_a_sentence_tells_verdict_doubt_and_turning_point(judged):
    row = pd.Series(
        {
            "verdict": "second_object",
            "trusted": True,
            "obstacle": "these errors do not read like planted ones",
            "probability": 0.83,
            "low": 0.71,
            "high": 0.9,
            "second": "background",
            "led": "window lead max",
            "value": 2.5,
            "turns": -0.25,
            "instead": "background",
        }
    )
    assert judgement.sentence(row) == (
        "Second object, with probability 83% (71% to 90%) at this network's mix of causes. What "
        "speaks most for it against background: largest lead of the true class from one large "
        "square alone, 2.50; at −0.25, all else equal, it would be background."
    )
    doubted = judgement.sentence(row.replace({True: False}))
    assert doubted.startswith(
        "No verdict: the rule points to second object, but these errors do not read like planted "
        "ones. What speaks most for it"
    )
    nothing = row.copy()
    nothing["verdict"], nothing["turns"] = "unexplained", np.nan
    said = judgement.sentence(nothing)
    assert said.startswith("Unexplained") and said.endswith("would turn the verdict.")
    for _, one in judged.verdicts.iterrows():
        assert judgement.sentence(one).endswith(".")


def test_where_every_error_was_chosen_no_mixture_is_estimated(judged, study, others, monkeypatch):
    network, run, splits = study
    monkeypatch.setattr(judgement, "planted", lambda *given: judged.spiked)
    monkeypatch.setattr(rule, "learn", lambda *given, **options: judged.rule)
    few = judged.position[:5]
    of_few = judgement.judge(run, network, splits, others, "filters", None, among=few, chosen=few)
    assert of_few.mixture is None and of_few.verdicts is None and len(of_few.position) == 5

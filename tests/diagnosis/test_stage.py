"""What the third notebook makes of made-up evidence: counts, cases, pages and the marks over
several phantoms."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import confusion_matrix
from statsmodels.stats.proportion import proportion_confint

from lib.data.phantom import draw
from lib.diagnosis import evidence, probes, score, stage, verdict
from lib.diagnosis.verdict import sentence
from lib.evaluation import summary
from lib.evaluation.failures import half
from lib.evaluation.labels import Opinion

ARMS = ["baseline", "cutmix"]
RULE = verdict.read_rule()


def splits_of(seed: int, images: int = 60):
    """A split as `lib.data.dataset` gives it, without pictures: ids in an order of their own, and
    what the phantom planted."""
    made = draw.generate("test", images, seed)
    planted = pd.DataFrame(
        {
            "cause": np.array(draw.CAUSES)[made.cause],
            "cause_class": made.cause_class,
            "object_class": made.object_class,
        }
    )
    test = SimpleNamespace(
        index=np.random.default_rng(seed).permutation(images),
        planted=planted,
        labels=torch.from_numpy(made.labels),
    )
    return SimpleNamespace(class_names=draw.CLASS_NAMES, test=test)


def evidence_of(splits, seed: int, errors: int = 40) -> evidence.Evidence:
    """Evidence with random numbers; wrong is the class that the cause points at for about half of
    the errors."""
    generator = np.random.default_rng(seed)
    position = np.sort(generator.choice(len(splits.test.index), errors, replace=False))
    true, pointed = (
        splits.test.labels[position],
        torch.from_numpy(splits.test.planted["cause_class"].to_numpy()[position].copy()),
    )
    wrong = torch.where(
        (pointed >= 0) & torch.from_numpy(generator.random(errors) < 0.5), pointed, (true + 1) % 20
    )
    responses = {
        name: probes.Response(
            *generator.normal(size=(2, 2, errors)),
            *generator.random((2, 2, errors)),
            generator.integers(20, size=(2, errors)),
        )
        for name in probes.LABELS
    }
    statistics = pd.DataFrame(
        RULE["centre"] + RULE["scale"] * generator.normal(size=(errors, len(RULE["statistics"]))),
        columns=RULE["statistics"],
    )
    maps = torch.from_numpy(generator.normal(size=(errors, 2, 4, 4))).float()
    return evidence.Evidence(
        position, wrong, true, generator.random((errors, 2)), maps, responses, statistics
    )


@pytest.fixture(scope="module")
def splits():
    return splits_of(42)


@pytest.fixture(scope="module")
def found(splits):
    return {arm: evidence_of(splits, seed) for seed, arm in enumerate(ARMS)}


@pytest.fixture(scope="module")
def verdicts(found):
    return {arm: verdict.decide(evidence.statistics, RULE) for arm, evidence in found.items()}


@pytest.fixture(scope="module")
def everything(found, verdicts, splits):
    return stage.verdict_table(found, verdicts, splits)


def test_the_table_has_every_error_of_every_arm(everything, found, verdicts, splits):
    assert everything["arm"].tolist() == ["baseline"] * 40 + ["cutmix"] * 40
    for row in (0, 17, 39):
        place, said = found["cutmix"].position[row], everything.iloc[40 + row]
        assert (
            said["id"] == splits.test.index[place]
            and said["half"] == ("discovery", "confirmation")[said["id"] % 2]
        )
        assert (
            said["true"] == draw.CLASS_NAMES[splits.test.labels[place]]
            and said["predicted"] == draw.CLASS_NAMES[found["cutmix"].wrong[row]]
        )
        assert (
            said["verdict"] == verdicts["cutmix"]["verdict"][row]
            and said["moved"] == found["cutmix"].statistics["moved"][row]
        )
        cause = splits.test.planted["cause"][place]
        assert said["planted"] == ("unexplained" if cause == "none" else cause)
    bare = SimpleNamespace(
        class_names=splits.class_names, test=SimpleNamespace(index=splits.test.index, planted=None)
    )
    assert "planted" not in stage.verdict_table(found, verdicts, bare)


def test_an_error_whose_cause_points_elsewhere_does_not_act(everything, splits):
    by_id = splits.test.planted.set_index(splits.test.index)
    for row in everything.itertuples():
        known = by_id.loc[row.id]
        assert row.acts == (
            known["cause"] == "none" or draw.CLASS_NAMES[known["cause_class"]] == row.predicted
        )
    assert 0 < everything["acts"].mean() < 1


def test_counts_are_of_the_confirmation_half_alone(everything):
    counted, halves = stage.counts(everything, ARMS), stage.halves(everything, ARMS)
    for arm in ARMS:
        of_arm = [row for row in everything.itertuples() if row.arm == arm]
        assert counted[arm] == {
            cause: sum(row.verdict == cause and row.id % 2 == 1 for row in of_arm)
            for cause in verdict.CAUSES
        }
        assert halves[arm] == {
            "discovery": sum(row.id % 2 == 0 for row in of_arm),
            "confirmation": sum(row.id % 2 == 1 for row in of_arm),
        }
        assert 0 < sum(counted[arm].values()) < len(of_arm)


def test_shares_have_the_intervals_of_statsmodels(everything):
    table, counted = stage.shares(everything, ARMS), stage.counts(everything, ARMS)
    assert table["verdict"].tolist() == list(verdict.CAUSES) * 2
    for row in table.itertuples():
        total = sum(counted[row.arm].values())
        assert row.errors == counted[row.arm][row.verdict] and row.share == pytest.approx(
            row.errors / total
        )
        np.testing.assert_allclose(
            (row.low, row.high), proportion_confint(row.errors, total, method="beta"), atol=1e-12
        )


def test_the_printed_shares_stand_under_their_arm(everything):
    table = stage.shares(everything, ARMS)
    view = stage.shares_view(table)
    assert view.columns.tolist() == [
        "verdict",
        "baseline errors",
        "baseline share (95%)",
        "CutMix errors",
        "CutMix share (95%)",
    ]
    assert view["verdict"].tolist() == [
        "background",
        "second object",
        "look alike",
        "label error",
        "unexplained",
    ]
    row = table[(table["arm"] == "cutmix") & (table["verdict"] == "look_alike")].iloc[0]
    assert view.loc[2, "CutMix errors"] == row["errors"]
    # an interval as wide as this supports no decimal
    assert (
        view.loc[2, "CutMix share (95%)"]
        == f"{row['share']:.0%} ({row['low']:.0%} to {row['high']:.0%})"
    )


def test_an_arm_without_errors_has_no_share(everything):
    table = stage.shares(everything[everything["arm"] == "baseline"], ARMS)
    assert (
        table.loc[table["arm"] == "cutmix", "share"].isna().all()
        and (table.loc[table["arm"] == "cutmix", "errors"] == 0).all()
    )
    assert stage.shares_view(table)["CutMix share (95%)"].isna().all()


def test_no_errors_at_all_leave_empty_tables(splits):
    nothing = stage.verdict_table({}, {}, splits)
    assert stage.counts(nothing, ARMS) == {arm: dict.fromkeys(verdict.CAUSES, 0) for arm in ARMS}
    assert stage.shares(nothing, ARMS)["errors"].eq(0).all() and stage.halves(nothing, ARMS)[
        "cutmix"
    ] == {"discovery": 0, "confirmation": 0}


@pytest.fixture(scope="module")
def selection(found, splits):
    """Three wrong images of the baseline among right ones, in no order of their own."""
    wrong = found["baseline"].position
    right = [place for place in range(60) if place not in wrong]
    chosen = [wrong[30], right[0], wrong[2], right[1], wrong[11]]
    ids = splits.test.index[chosen]
    return pd.DataFrame(
        {
            "position": chosen,
            "id": ids,
            "half": half(ids),
            "true": "oak_tree",
            "predicted": "lamp",
            "why": ["named", "named", "named", "mined", "mined"],
            "correct": [False, True, False, True, False],
            "cause": "none",
        }
    )


def test_cases_are_the_wrong_ones_in_the_order_of_the_selection(selection, found):
    chosen = stage.cases(selection, found["baseline"], 10)
    assert chosen["position"].tolist() == selection["position"].tolist()[::2] and chosen[
        "row"
    ].tolist() == [30, 2, 11]
    assert stage.cases(selection, found["baseline"], 2)["row"].tolist() == [30, 2]
    assert not len(stage.cases(selection, found["baseline"], 0)) and not len(
        stage.cases(selection[selection["correct"]], None, 5)
    )


def test_pages_hold_every_case_once(selection):
    pages = stage.pages(selection, 2)
    assert [len(page) for page in pages] == [2, 2, 1] and all(
        page.index.tolist() == list(range(len(page))) for page in pages
    )
    assert (
        pd.concat(pages)["id"].tolist() == selection["id"].tolist()
        and stage.pages(selection.head(0), 2) == []
    )


def test_the_numbers_of_a_case_are_its_own(selection, found, verdicts, tmp_path):
    chosen = stage.cases(selection, found["baseline"], 10)
    numbers = stage.case_numbers(chosen, found["baseline"], verdicts["baseline"])
    positive = found["baseline"].maps[2, 0].clip(0).flatten().numpy().astype(float)
    shares = positive[positive > 0] / positive.sum()
    assert numbers[1]["normalised_entropy"] == pytest.approx(
        -(shares * np.log(shares)).sum() / np.log(16)
    )
    assert [one["id"] for one in numbers] == chosen["id"].tolist() and [
        one["why"] for one in numbers
    ] == ["named", "named", "mined"]
    assert (
        numbers[1]["verdict"] == verdicts["baseline"]["verdict"][2]
        and numbers[1]["turns"] == verdicts["baseline"]["turns"][2]
    )
    # nothing that JSON could not hold
    summary.write_numbers(tmp_path, "gradcam", {"cases": numbers})
    assert stage.case_numbers(chosen.head(0), None, None) == []


def test_effects_and_controls_go_by_the_probes_own_names(found):
    measured = stage.effects(found["baseline"])
    assert list(measured) == list(probes.LABELS.values())
    hot, random = (
        probes.measure_probe(
            found["baseline"].responses[f"{part}:mean"],
            found["baseline"].wrong,
            found["baseline"].true,
        )["flip"]
        for part in ("hot", "random")
    )
    contrast = stage.controls({"baseline": measured})["baseline"]
    assert (
        contrast["estimate"] == pytest.approx(hot.mean() - random.mean())
        and contrast["low"] <= contrast["estimate"] <= contrast["high"]
    )


def test_occlusion_agrees_with_a_map_made_of_it(found):
    squares = np.zeros((49, 3), np.float32)
    # the first, the middle and the last square matter
    squares[0, 0], squares[24, 1], squares[48, 2] = 1, 1, 1
    maps = torch.zeros(3, 2, 4, 4)
    maps[0, 0, 0, 0], maps[1, 0, 1:3, 1:3], maps[2, 0, 3, 3] = 1, 1, 1
    response = found["baseline"].responses["square"]._replace(drop=squares)
    agreed = stage.occlusion_agreement(
        found["baseline"]._replace(maps=maps, responses={"square": response})
    )
    assert agreed["images"] == 3 and agreed["correlation"]["estimate"] > 0.7


@pytest.fixture
def marked(everything, monkeypatch):
    """Marks on the baseline of this phantom and on two made-up phantoms, each with evidence of its
    own."""
    others = {"a/43": splits_of(43), "/b/44": splits_of(44)}
    seeds = {"a/43": 143, "/b/44": 144}

    def load_run(place):
        name = next(other for other in others if str(place).endswith(other))
        return SimpleNamespace(
            name=name, info={"params": {"name": name}, "data_digest": f"digest of {name}"}
        )

    def load_for(params, digest):
        assert digest == f"digest of {params['name']}"
        return others[params["name"]]

    monkeypatch.setattr(score.record, "load_run", load_run)
    monkeypatch.setattr(score.record, "load_model", lambda run, classes: (run.name, classes))
    monkeypatch.setattr(score.dataset, "load_for", load_for)
    monkeypatch.setattr(
        score,
        "examine",
        lambda run, model, splits, among: {(run.name, 20): evidence_of(splits, seeds[run.name])}[
            model
        ],
    )
    own = everything[everything["arm"] == "baseline"]
    return score.mark(own, list(others), RULE, "phantom")


def test_marks_are_of_the_confirmation_halves_of_all_phantoms(marked, everything):
    assert (
        marked["phantom"].unique().tolist() == ["phantom", "a/43", "/b/44"]
        and (marked["id"] % 2 == 1).all()
    )
    own = everything[(everything["arm"] == "baseline") & (everything["id"] % 2 == 1)]
    pd.testing.assert_series_equal(
        marked.loc[marked["phantom"] == "phantom", "verdict"].reset_index(drop=True),
        own["verdict"].reset_index(drop=True),
    )
    splits = splits_of(43)
    evidence = evidence_of(splits, 143)
    odd = splits.test.index[evidence.position] % 2 == 1
    there = marked[marked["phantom"] == "a/43"]
    assert (
        there["verdict"].tolist()
        == verdict.decide(evidence.statistics, RULE)["verdict"][odd].tolist()
    )
    assert (
        there["planted"].tolist()
        == splits.test.planted["cause"]
        .replace("none", "unexplained")[evidence.position[odd]]
        .tolist()
    )


def test_the_caption_says_how_many_phantoms_and_how_many_are_left_out(marked):
    caption = score.score_caption(marked)
    assert (
        "of 3 phantoms whose" in caption
        and f"{(~marked['acts']).sum()} others are left out here" in caption
    )
    assert "of 1 phantom whose" in score.score_caption(marked[marked["phantom"] == "phantom"])


def test_the_worst_mistake_is_the_largest_entry_off_the_diagonal(marked):
    numbers = score.score_numbers(marked)
    acting = marked[marked["acts"]]
    matrix = confusion_matrix(acting["planted"], acting["verdict"], labels=verdict.CAUSES)
    off = {
        (a, b): matrix[i, j]
        for i, a in enumerate(verdict.CAUSES)
        for j, b in enumerate(verdict.CAUSES)
        if i != j
    }
    worst = numbers["worst"]
    assert worst["errors"] == max(off.values()) == off[worst["planted"], worst["diagnosed"]] > 0
    assert (numbers["phantoms"], numbers["errors"], numbers["others"]) == (
        3,
        len(acting),
        (~marked["acts"]).sum(),
    )
    assert numbers["causes"] == ["background", "second_object", "look_alike", "label_error"]
    assert (
        set(numbers["strict"]) == set(numbers["acting"]) and numbers["strict"] != numbers["acting"]
    )


def test_its_example_is_a_case_of_it_from_this_study(marked):
    own = marked["phantom"] == "phantom"
    planned = marked.assign(
        acts=True,
        planted="background",
        verdict=np.where(own & (np.arange(len(marked)) % 2 == 0), "look_alike", "background"),
    )
    worst = score.score_numbers(planned)["worst"]
    of_kind = planned[planned["verdict"] == "look_alike"]
    assert (worst["planted"], worst["diagnosed"], worst["errors"]) == (
        "background",
        "look_alike",
        len(of_kind),
    )
    surest = of_kind.loc[of_kind["probability"].idxmax()]
    assert (worst["id"], worst["true"], worst["predicted"]) == (
        surest["id"],
        surest["true"],
        surest["predicted"],
    )
    assert worst["sentence"] == sentence(surest)


@pytest.mark.parametrize("kept", ["/b/44", "a/43"])
def test_a_mistake_of_other_phantoms_alone_has_no_example_in_this_study(marked, kept):
    elsewhere = marked[marked["phantom"] == kept].assign(
        acts=True, planted="background", verdict="look_alike"
    )
    assert score.score_numbers(elsewhere)["worst"] == {
        "planted": "background",
        "diagnosed": "look_alike",
        "errors": len(elsewhere),
        "id": None,
    }


def test_no_mistake_and_no_error_and_no_planted_cause(marked, tmp_path):
    perfect = score.score_numbers(marked.assign(verdict=marked["planted"]))
    assert perfect["worst"]["errors"] == 0 and perfect["worst"]["id"] is None
    nothing = score.score_numbers(marked.head(0))
    assert nothing["errors"] == nothing["worst"]["errors"] == 0
    summary.write_numbers(tmp_path, "gradcam", {"perfect": perfect, "nothing": nothing})
    assert score.score_numbers(None) is None


@pytest.fixture
def opinion(monkeypatch):
    """Reviewers looked at two test images of three and rejected one of four."""
    places = np.arange(60)
    given = Opinion(places % 3 > 0, places % 4 == 1, places, places.astype(str), "reviewers")
    monkeypatch.setattr(score.labels, "known", lambda splits: (given, None))
    return given


def test_reviewers_are_counted_where_they_looked(everything, splits, opinion):
    errors = everything[everything["arm"] == "cutmix"]
    found = score.reviewed(errors, splits)
    for name, wanted in (("called", True), ("others", False)):
        looked_at = [
            row.position
            for row in errors.itertuples()
            if row.position % 3 and (row.verdict == "label_error") == wanted
        ]
        rejected = sum(place % 4 == 1 for place in looked_at)
        assert (
            found[name]["errors"] == len(looked_at)
            and found[name]["estimate"] == rejected / len(looked_at) > 0
        )
        np.testing.assert_allclose(
            (found[name]["low"], found[name]["high"]),
            proportion_confint(rejected, len(looked_at), method="beta"),
        )


def test_without_errors_or_reviewers_there_is_nothing_to_review(
    everything, splits, opinion, monkeypatch
):
    nothing = score.reviewed(stage.verdict_table({}, {}, splits), splits)
    assert (
        nothing["called"]
        == nothing["others"]
        == {"errors": 0, "estimate": None, "low": 0.0, "high": 1.0}
    )
    for known in (None, Opinion(*[np.ones(60, bool)] * 4, "planted")):
        monkeypatch.setattr(score.labels, "known", lambda splits, known=known: (known, None))
        assert score.reviewed(everything, splits) is None


def test_the_rule_is_counted(found):
    assert stage.rule_numbers(RULE) == {
        "statistics": len(evidence.STATISTICS),
        "errors": sum(RULE["fitted"]["by_cause"].values()),
        "phantoms": 3,
    }


def wrong_in(right):
    return SimpleNamespace(
        test=SimpleNamespace(correct=np.array(right), index=1000 + np.arange(len(right)))
    )


def test_arms_are_examined_each_with_its_own_network(monkeypatch):
    pair = {
        arm: wrong_in(right)
        for arm, right in (
            ("baseline", [True, False]),
            ("perfect", [True, True]),
            ("cutmix", [False, False]),
        )
    }
    probed = {arm: stage.sample(run, 0) for arm, run in pair.items()}
    monkeypatch.setattr(
        stage, "examine", lambda run, model, splits, among: (run, model, splits, among.tolist())
    )
    examined = stage.examine_arms(
        pair, {arm: f"network of {arm}" for arm in pair}, "splits", probed
    )
    assert examined == {
        arm: (pair[arm], f"network of {arm}", "splits", places)
        for arm, places in (("baseline", [1]), ("cutmix", [0, 1]))
    }


def test_a_sample_of_the_errors_is_a_random_one_with_the_cases_and_says_so():
    right = np.zeros(400, bool)
    right[::4] = True
    run, few = wrong_in(right), wrong_in([True] * 380 + [False] * 20)
    drawn = stage.sample(run, 100, cases=[1, 4, 5])  # image 4 is right
    assert (
        set(drawn) >= {1, 5}
        and 100 <= len(drawn) <= 102
        and not right[drawn].any()
        and (np.diff(drawn) > 0).all()
    )
    assert np.array_equal(drawn, stage.sample(run, 100, cases=[1, 4, 5]))
    assert abs(np.mean(drawn) - 200) < 40  # of 100 of them: four standard errors
    assert stage.sample(run, 100).dtype == drawn.dtype == np.int64
    assert len(stage.sample(run, 0)) == len(stage.sample(run, 300)) == 300
    pair = {"baseline": run, "cutmix": few}
    probed = {arm: stage.sample(one, 100) for arm, one in pair.items()}
    assert stage.sampled(probed, pair) == {"baseline": 300}
    assert stage.caption(probed, pair).endswith(
        "Probed were 100 of 300 errors of baseline, drawn at random, besides the cases."
    )
    assert stage.caption({"cutmix": probed["cutmix"]}, {"cutmix": few}) == stage.CAPTION

"""What the third notebook makes of made-up evidence: counts, cases and pages."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from lib.data.phantom import draw
from lib.diagnosis import evidence, probes, stage, verdict
from lib.evaluation import summary
from lib.evaluation.failures import half

ARMS = ["baseline", "cutmix"]


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
    maps = torch.from_numpy(generator.normal(size=(errors, 2, 4, 4))).float()
    return evidence.Evidence(position, wrong, true, generator.random((errors, 2)), maps, responses)


@pytest.fixture(scope="module")
def splits():
    return splits_of(42)


@pytest.fixture(scope="module")
def found(splits):
    return {arm: evidence_of(splits, seed) for seed, arm in enumerate(ARMS)}


@pytest.fixture(scope="module")
def verdicts(found):
    """Rows as lib.diagnosis.judgement.decide gives them, every third one trusted."""
    generator, tables = np.random.default_rng(3), {}
    for arm, of_arm in found.items():
        size = len(of_arm.position)
        tables[arm] = pd.DataFrame(
            {
                "verdict": generator.choice(verdict.CAUSES[:4], size),
                "trusted": np.arange(size) % 3 == 2,
                "turns": generator.normal(size=size),
            }
        )
    return tables


def test_errors_are_counted_by_half(found, splits):
    pair = dict.fromkeys(ARMS, splits)
    halves = stage.halves({"baseline": found["baseline"]}, pair)
    ids = splits.test.index[found["baseline"].position]
    assert halves["baseline"] == {
        "discovery": int((ids % 2 == 0).sum()),
        "confirmation": int((ids % 2).sum()),
    }
    assert halves["cutmix"] == {"discovery": 0, "confirmation": 0}


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
    doubt = np.linspace(0, 1, 60)
    numbers = stage.case_numbers(chosen, found["baseline"], verdicts["baseline"], doubt)
    positive = found["baseline"].maps[2, 0].clip(0).flatten().numpy().astype(float)
    shares = positive[positive > 0] / positive.sum()
    assert numbers[1]["normalised_entropy"] == pytest.approx(
        -(shares * np.log(shares)).sum() / np.log(16)
    )
    assert [one["id"] for one in numbers] == chosen["id"].tolist() and [
        one["why"] for one in numbers
    ] == ["named", "named", "mined"]
    said = verdicts["baseline"].iloc[[30, 2, 11]]
    assert [one["points_to"] for one in numbers] == said["verdict"].tolist()
    # rows 2 and 11 are trusted, row 30 is not
    assert [one["verdict"] for one in numbers] == [None, *said["verdict"][1:]]
    assert numbers[1]["turns"] == said["turns"].iloc[1]
    assert numbers[2]["others_agree"] == doubt[chosen["position"][2]]
    # nothing that JSON could not hold
    summary.write_numbers(tmp_path, "gradcam", {"cases": numbers})
    assert stage.case_numbers(chosen.head(0), None, None, doubt) == []
    bare = stage.case_numbers(chosen, found["baseline"], None, doubt)
    assert {one["verdict"] for one in bare} == {one["points_to"] for one in bare} == {None}


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


def test_the_errors_whose_maps_are_tested_are_of_all_classes(monkeypatch):
    # a folder's test split is sorted by class
    run = wrong_in([True] * 100 + [False] * 900)
    evidence = SimpleNamespace(position=np.flatnonzero(~run.test.correct))
    rows = stage.tested(evidence, run)
    assert len(rows) == stage.TESTED and (np.diff(rows) > 0).all()
    assert abs(np.mean(rows) - 450) < 75  # of 200 of them: four standard errors
    monkeypatch.setattr(stage, "TESTED", 2000)
    assert stage.tested(evidence, run).tolist() == list(range(900))

"""A study as a notebook opens it: which runs it takes where arms have seeds of their own."""

from types import SimpleNamespace

import pytest
from parameters import FAILURES

from lib.base.errors import ParameterError
from lib.study import Study, open_study, record


def opened(arms):
    return open_study("failures", FAILURES | {"arms": arms})


@pytest.fixture
def loaded(monkeypatch):
    """What is asked for in place of runs on disk; a run is its arm and seed."""
    asked = []

    def load_runs(folder, arms):
        asked.append((folder, arms))
        return {
            arm: {seed: SimpleNamespace(info={"params": (arm, seed)}) for seed in seeds}
            for arm, seeds in arms.items()
        }

    monkeypatch.setattr(record, "load_runs", load_runs)
    return asked


def test_the_pair_is_taken_with_its_common_seeds_and_others_with_those_that_they_share(loaded):
    here = opened({"a": [3, 1, 2], "b": [1, 2], "c": [2, 7], "d": [9]})
    assert here.seeds == [1, 2]
    assert {arm: list(of_seeds) for arm, of_seeds in here.runs.items()} == {
        "a": [1, 2],
        "b": [1, 2],
        "c": [2],
        "d": [9],
    }
    assert {arm: run.info["params"] for arm, run in here.first.items()} == {
        "a": ("a", 1),
        "b": ("b", 1),
        "c": ("c", 2),
        "d": ("d", 9),
    }
    assert list(here.compared) == ["a", "b"]
    # of what differs from arm to arm only arms with the same seeds may speak
    assert here.parameters == {"a": ("a", 1), "b": ("b", 1)}
    assert len(loaded) == 1 and loaded[0][0] == FAILURES["runs"]


def test_equal_seeds_pair_in_one_order(loaded):
    here = opened({"a": [2, 1], "b": [1, 2]})
    assert [list(of_seeds) for of_seeds in here.runs.values()] == [[2, 1], [2, 1]]


def test_a_pair_without_a_common_seed_is_refused(loaded):
    with pytest.raises(ParameterError, match="^arms: a and b have no seed in common$"):
        _ = opened({"a": [1], "b": [2]}).runs
    assert not loaded


def test_a_study_of_wrong_parameters_is_not_opened():
    with pytest.raises(ParameterError, match="mined"):
        open_study("failures", FAILURES | {"mined": -1})
    assert isinstance(opened({"a": [1], "b": [1]}), Study)

"""A study as a notebook opens it: which runs it takes where arms have seeds of their own."""

from types import SimpleNamespace

import numpy as np
import pytest
from parameters import FAILURES

from lib.base.errors import ParameterError
from lib.study import Study, open_study, record


def opened(arms):
    return open_study("failures", FAILURES | {"arms": arms})


def run(arm, seed, history=True):
    """A run of ten right predictions but for one, which its seed names."""
    predicted = np.zeros(10, int)
    predicted[seed % 10] = 1
    test = SimpleNamespace(predicted=predicted, logits=np.eye(2)[predicted], labels=np.zeros(10))
    info = {"params": (arm, seed)}
    return SimpleNamespace(info=info, history=history or None, test=test, val=test)


@pytest.fixture
def loaded(monkeypatch):
    """What is asked for in place of runs on disk."""
    asked = []

    def load_runs(folder, arms):
        asked.append((folder, arms))
        return {
            arm: {seed: run(arm, seed, arm != "brought") for seed in seeds}
            for arm, seeds in arms.items()
        }

    monkeypatch.setattr(record, "load_runs", load_runs)
    return asked


def test_every_arm_has_all_its_seeds_and_the_pair_is_looked_at_with_a_common_one(loaded):
    here = opened({"a": [3, 1, 2], "b": [1, 2], "c": [2, 7], "d": [9]})
    assert here.seeds_of_arms == {"a": [3, 1, 2], "b": [1, 2], "c": [2, 7], "d": [9]}
    assert here.seeds == [1, 2]
    firsts = {arm: one.info["params"][1] for arm, one in here.first.items()}
    assert (firsts["a"], firsts["b"], firsts["d"]) == (1, 1, 9)
    assert list(here.compared) == ["a", "b"]
    assert len(loaded) == 1 and loaded[0][0] == FAILURES["runs"]


def test_a_pair_without_a_common_seed_is_paired_in_order(loaded):
    assert opened({"a": [1], "b": [2]}).seeds == [1]


def test_copies_of_a_run_have_one_vote(loaded):
    assert opened({"a": [1, 11], "b": [1, 2]}).seeds_of_arms == {"a": [1], "b": [1, 2]}


def test_only_arms_that_were_trained_here_have_parameters_that_differ(loaded):
    assert list(opened({"a": [1], "b": [1], "brought": [1]}).parameters) == ["a", "b"]


def test_a_study_of_wrong_parameters_is_not_opened():
    with pytest.raises(ParameterError, match="mined"):
        open_study("failures", FAILURES | {"mined": -1})
    assert isinstance(opened({"a": [1], "b": [1]}), Study)

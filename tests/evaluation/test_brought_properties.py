"""What must hold of brought predictions whatever they are: the order of rows and columns, the kind
of file and the kind of numbers change nothing."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import softmax

from lib.data import dataset
from lib.evaluation import bootstrap, changes, failures, labels, rejection, summary
from lib.training import brought_predictions as brought

pytestmark = pytest.mark.slow

QUICK = settings(
    max_examples=12,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
NEED_RAW = ("_margin", "_normalised")  # scores whose ties rounding breaks
DRAWS = 20


@pytest.fixture(autouse=True, scope="module")
def _without_git():
    """A record asks git for the commit, which takes longer than all else here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(brought.artefacts, "commit", lambda: "unknown")
        patch.setattr(brought.machine, "versions", dict)
        yield


@st.composite
def tables(draw, least=6):
    """names, {split: (ids, labels, logits)}: numbers of a coarse grid, so that many are equal."""
    classes, rows, val = (
        draw(st.integers(2, 5)),
        draw(st.integers(least, least + 8)),
        draw(st.integers(2, 8)),
    )
    names = draw(st.permutations(["cat", "2", "10", "a dog", "NA"]))[:classes]

    def split(prefix, size):
        ids = [f"{prefix}{number:03d}" for number in range(size)]
        truth = draw(arrays.arrays(np.int64, size, elements=st.integers(0, classes - 1)))
        grid = draw(arrays.arrays(np.int8, (size, classes), elements=st.integers(-24, 24)))
        return np.array(ids, object), truth, (grid / 4).astype(np.float32)

    # not hard predictions alone: a row of its own confidence
    parts = {"val": split("v", val), "test": split("t", rows)}
    parts["test"][2][0] = np.linspace(0.1, 3.3, classes, dtype=np.float32)
    return names, parts


def as_csv(path, names, parts) -> Path:
    frames = [
        pd.DataFrame(values.astype(np.float64), columns=names).assign(
            split=split, id=ids, label=np.array(names, object)[truth]
        )
        for split, (ids, truth, values) in parts.items()
    ]
    pd.concat(frames).to_csv(path, index=False)
    return path


def as_npz(path, names, parts) -> Path:
    content = {
        f"{split}_{what}": value.astype(str) if what == "ids" else value
        for split, values in parts.items()
        for what, value in zip(("ids", "labels", "logits"), values)
    }
    np.savez(path, class_names=np.array(names), **content)
    return path


def shuffled(names, parts, seed):
    """Rows and class columns in another order."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(names))
    new = {}
    for split, (ids, truth, values) in parts.items():
        rows = random.permutation(len(ids))
        new[split] = ids[rows], np.argsort(order)[truth][rows], values[rows][:, order]
    return [names[place] for place in order], new


def everything(**files) -> dict:
    """Every number of arms of brought predictions, by name; files: {arm: function of a path}."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {arm: write(Path(folder) / arm) for arm, write in files.items()}
        runs = brought.take_in(
            paths,
            {arm: Path(folder) / "runs" / arm for arm in paths},
            {arm: {"data": "none", "arm": arm} for arm in paths},
        )
        first = next(iter(runs.values()))
        splits = dataset.load_for(first.info["params"], first.info["data_digest"])
    trained = {arm: {0: run} for arm, run in runs.items()}
    numbers = {arm: summary.arm_numbers(of_seeds) for arm, of_seeds in trained.items()}
    sampled = bootstrap.resample(
        trained, {arm: of_arm["temperature"]["each"] for arm, of_arm in numbers.items()}, DRAWS
    )
    return {
        "numbers": numbers,
        "paired": changes.paired_numbers(trained, tuple(runs), numbers, sampled),
        "rejection": rejection.rejection(trained, [0.5, 0.9]).to_dict("records"),
        "promises": rejection.promises(trained, 0.5).to_dict("records"),
        "curve": {arm: rejection.curve(of_seeds).to_dict() for arm, of_seeds in trained.items()},
        "tables": {
            arm: failures.test_table(run, splits).to_dict("records") for arm, run in runs.items()
        },
        "errors": failures.errors(failures.test_table(first, splits)).to_dict("records"),
        "suspected": labels.suspected_in(list(runs.values()), splits).to_dict("records"),
        "data": first.info["data_digest"],
    }


def written(name, function, names, parts):
    return lambda path: function(path.with_name(f"{path.name}-{name}"), names, parts)


def csv(names, parts):
    return written("arm.csv", as_csv, names, parts)


def npz(names, parts):
    return written("arm.npz", as_npz, names, parts)


@QUICK
@given(tables(), st.integers(0, 99))
def test_the_order_of_rows_and_of_class_columns_changes_no_number(table, seed):
    plain, other = everything(a=csv(*table)), everything(a=csv(*shuffled(*table, seed)))
    assert repr(plain) == repr(other)


@QUICK
@given(tables(), st.integers(0, 99))
def test_an_npz_says_what_a_csv_says(table, seed):
    assert repr(everything(a=csv(*table))) == repr(everything(a=npz(*shuffled(*table, seed))))


@QUICK
@given(tables())
def test_logits_say_what_their_softmax_says(table):
    """Within what float32 logarithms lose. A row's first guess is the same, equal ones apart."""
    names, parts = table
    shares = {
        split: (ids, truth, softmax(values.astype(np.float64), axis=1))
        for split, (ids, truth, values) in parts.items()
    }
    one, other = everything(a=csv(*table)), everything(a=csv(names, shares))
    for name, number in one["numbers"]["a"].items():
        found = other["numbers"]["a"][name]["mean"]
        if number["mean"] is None or number["mean"] != number["mean"]:
            assert found is None or found != found
        elif name == "temperature" or name.endswith(("_scaled", *NEED_RAW)):
            # where validation has no best temperature, rounding decides which bound is nearer
            continue
        elif name in ("ece", "ece_classwise"):
            allowed = 2e-6 + on_an_edge(shares["test"][2], name == "ece_classwise")
            assert found == pytest.approx(number["mean"], abs=allowed), name
        else:
            assert found == pytest.approx(number["mean"], abs=2e-6), name
    for row, again in zip(one["tables"]["a"], other["tables"]["a"]):
        assert {key: row[key] for key in ("id", "half", "predicted", "correct")} == {
            key: again[key] for key in ("id", "half", "predicted", "correct")
        }
        assert again["confidence"] == pytest.approx(row["confidence"], abs=2e-7)


def on_an_edge(shares, classwise: bool) -> float:
    """What the calibration error may differ by for rounding: a probability on the edge of one of 15
    bins may fall on either side, and moves its share of the rows."""
    values = shares if classwise else shares.max(1)
    edges = np.abs(values * 15 - np.rint(values * 15)) < 1e-5
    return 2 * edges.mean()


@QUICK
@given(tables(), st.integers(0, 99))
def test_one_file_as_two_arms_differs_in_nothing(table, seed):
    found = everything(a=csv(*table), b=npz(*shuffled(*table, seed)))
    assert repr(found["numbers"]["a"]) == repr(found["numbers"]["b"])
    paired = found["paired"]
    for change in paired["changes"].values():
        assert change["estimate"] == change["low"] == change["high"] == 0
    assert paired["mcnemar"] | {"n": 1} == {"corrected": 0, "regressed": 0, "p_value": 1, "n": 1}
    assert set(paired["churn"]["between_arms"].values()) == {0}
    assert repr(found["tables"]["a"]) == repr(found["tables"]["b"])


@QUICK
@given(tables(least=12), st.sampled_from([(), ("a",), ("a", "b")]))
def test_arms_beside_it_and_their_order_change_no_number(table, without_val):
    """Of one set of rows: [a], [b], [a, b] and [b, a]."""
    names, parts = table
    second = {
        split: (ids, truth, np.ascontiguousarray(values[::-1]))
        for split, (ids, truth, values) in parts.items()
    }
    arms = {
        "a": npz(names, _dropped(parts, "a" in without_val)),
        "b": npz(names, _dropped(second, "b" in without_val)),
    }
    both, turned = everything(a=arms["a"], b=arms["b"]), everything(b=arms["b"], a=arms["a"])
    for arm in "ab":
        assert repr(both["numbers"][arm]) == repr(turned["numbers"][arm])
        if len(without_val) != 1:
            alone = everything(**{arm: arms[arm]})
            assert repr(both["numbers"][arm]) == repr(alone["numbers"][arm])


def _dropped(parts, drop):
    return {"test": parts["test"]} if drop else parts

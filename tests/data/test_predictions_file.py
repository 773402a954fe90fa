"""A file of predictions is read by rules that look at the whole of it; what does not hold is one
line."""

import gzip
import unicodedata

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, log_softmax, logsumexp, softmax

from lib.base.errors import DataError
from lib.data import matching, predictions_file, scores

HEADER = "split,id,label,cat,dog\n"
ROWS = "test,007,cat,0.75,0.25\ntest,7,dog,0.2,0.8\nval,0E8,dog,0.4,0.6\n"


def written(tmp_path, content, name="arm.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(tmp_path, content, name="arm.csv", **options):
    return predictions_file.read(written(tmp_path, content, name), **options)


def refused(tmp_path, content, name="arm.csv", **options) -> str:
    path = written(tmp_path, content, name)
    with pytest.raises(DataError) as caught:
        predictions_file.read(path, **options)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and "\n" not in line
    return line.removeprefix(f"{path}: ")


def saved(tmp_path, name="arm.npz", **arrays):
    np.savez(tmp_path / name, **arrays)
    return tmp_path / name


def refused_arrays(tmp_path, **arrays) -> str:
    path = saved(tmp_path, **arrays)
    return refused(tmp_path, path.read_bytes(), path.name)


# --- what is read


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("name", ["café", "고양이"])
def test_names_and_ids_are_of_one_unicode_form(tmp_path, form, name):
    content = f"split,id,label,{name},dog\ntest,{name}/1.png,{name},0.7,0.3\n"
    found = read(tmp_path, unicodedata.normalize(form, content))
    assert found.class_names == [name, "dog"]
    assert found.test.ids.tolist() == [f"{name}/1.png"] and found.test.labels.tolist() == [0]


def test_ids_are_text_and_labels_names(tmp_path):
    found = read(tmp_path, HEADER + ROWS)
    assert found.class_names == ["cat", "dog"] and found.has_ids and found.named
    assert found.test.ids.tolist() == ["007", "7"] and found.val.ids.tolist() == ["0E8"]
    assert found.test.labels.tolist() == [0, 1] and found.val.labels.tolist() == [1]
    assert found.kind == "probabilities" and not found.hard
    np.testing.assert_allclose(softmax(found.test.logits, 1), [[0.75, 0.25], [0.2, 0.8]], 1e-7)
    assert found.test.logits.dtype == np.float32


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(",", ";").replace("0.", "0,"),
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace(",", "\t").encode("utf-16"),
        lambda text: gzip.compress(text.encode()),
        lambda text: "\n".join(f'"{line}"'.replace(",", '","') for line in text.split()) + "\n",
        lambda text: text.replace("\n", "\n\n"),
    ],
    ids=["bom", "crlf", "semicolon", "tab", "utf-16", "gz", "quoted", "blank-lines"],
)
def test_every_dialect_says_the_same(tmp_path, change):
    plain, other = read(tmp_path, HEADER + ROWS), read(tmp_path, change(HEADER + ROWS), "other.csv")
    assert plain.class_names == other.class_names and plain.notes == other.notes
    for split in ("val", "test"):
        for one, two in zip(getattr(plain, split), getattr(other, split)):
            np.testing.assert_array_equal(one, two)


def test_pieces_of_a_table_are_one_table(tmp_path, monkeypatch):
    whole = read(tmp_path, HEADER + ROWS)
    monkeypatch.setattr(predictions_file, "ROWS", 1)
    pieces = read(tmp_path, HEADER + ROWS)
    for one, two in zip(whole.test, pieces.test):
        np.testing.assert_array_equal(one, two)
    line = refused(tmp_path, HEADER + ROWS + "test,8,cat,0.5,x\n")
    assert line.startswith("row 4, column 'dog': 'x' is not a number")


@pytest.mark.parametrize(
    "names", ["NA,None,True,1e5", "nan,inf,null,01", "N/A,-,FALSE,1_0", "2024-01-02,#N/A,<NA>,0x1"]
)
def test_names_that_look_like_something_else_are_names(tmp_path, names):
    names = names.split(",")
    head, rows = ",".join(["split", "label", *names]), f"test,{names[0]},4,2,3,1\n"
    found = read(tmp_path, f"{head}\n{rows}test,{names[2]},1,2,4,3\n")
    assert found.class_names == names
    assert found.test.labels.tolist() == [0, 2]
    assert not found.has_ids


@pytest.mark.parametrize(
    "one, other", [("007", "7"), ("1", "1.0"), ("TRUE", "True"), ("a", "a "), ("1e5", "100000")]
)
def test_ids_that_a_spreadsheet_would_make_one_are_two(tmp_path, one, other):
    head = "split,id,label,cat,dog\n"
    read(tmp_path, f"{head}test,{one},cat,1,2\ntest,{other},cat,1,2\n")
    arms = {
        arm: read(tmp_path, f"{head}test,{only},cat,1,2\n", f"{arm}.csv")
        for arm, only in (("a", one), ("b", other))
    }
    with pytest.raises(DataError, match="no test id in common") as caught:
        matching.match(arms)
    assert f"{one!r} in a, {other!r} in b" in str(caught.value)


def test_pandas_own_files_are_read_back(tmp_path):
    table = pd.DataFrame({"split": "test", "label": [1, 0], "a": [0.1, 1.5], "b": [2.5, -3e-7]})
    table.to_csv(tmp_path / "arm.csv.gz", index=False)
    found = predictions_file.read(tmp_path / "arm.csv.gz")
    np.testing.assert_array_equal(found.test.logits, table[["a", "b"]].to_numpy(np.float32))
    assert found.test.labels.tolist() == [1, 0], "places"


def test_an_npz_is_read_with_and_without_names_and_ids(tmp_path):
    logits = np.array([[1.0, 2, 0], [0, 1, 5]])
    path = saved(tmp_path, test_logits=logits, test_labels=np.array([1, 2], np.uint8))
    found = predictions_file.read(path)
    assert found.class_names == ["0", "1", "2"] and not found.named and not found.has_ids
    path = saved(
        tmp_path,
        test_logits=logits.astype(np.float16),
        test_labels=np.array(["b", "c"]),
        test_ids=np.array([17, 3]),
        class_names=np.array([b"a", b"b", b"c"]),
        val_logits=np.zeros((0, 3)),
        val_labels=np.zeros(0, int),
        val_ids=np.zeros(0, int),
    )
    found = predictions_file.read(path)
    assert found.class_names == ["a", "b", "c"] and found.test.ids.tolist() == ["17", "3"]
    assert found.test.labels.tolist() == [1, 2] and found.val is None


# --- labels, once a file


def test_labels_are_wholly_names_or_wholly_places(tmp_path):
    rows = [
        f"test,{label},{','.join(map(str, 5 * np.eye(3)[place]))}"
        for label, place in (("0", 0), ("1", 1), ("2", 2))
    ]
    line = refused(tmp_path, "split,label,1,2,3\n" + "\n".join(rows))
    assert line.startswith("row 1: label '0' is no class, as label '1' is")
    found = read(tmp_path, "split,label,x,y,z\n" + "\n".join(rows))
    assert (found.test.logits.argmax(1) == found.test.labels).all()
    line = refused(tmp_path, "split,label,x,y\ntest,1,1,2\ntest,2,1,2\n")
    assert line == "row 2: label '2' is no class and no place from 0 to 1"
    # where all are names they are names, and whole numbers of an .npz are places
    found = read(tmp_path, "split,label,2,0,1\ntest,0,1,5,1\ntest,1,1,2,5\ntest,2,5,1,1\n")
    assert found.test.labels.tolist() == [1, 2, 0] and "labels are names of classes" in found.notes
    given = {"class_names": np.array(["2", "0", "1"]), "test_logits": np.eye(3)}
    for labels, places, said in (
        ([0, 1, 2], [0, 1, 2], "places"),
        (list("012"), [1, 2, 0], "names"),
    ):
        path = saved(tmp_path, test_labels=np.array(labels), **given)
        found = predictions_file.read(path)
        assert found.test.labels.tolist() == places and f"labels are {said}" in " ".join(
            found.notes
        )
    for label in ("01", "1.0", "-1", "", " x"):
        assert "no class" in refused(tmp_path, f"split,label,x,y\ntest,{label},1,2\n")


# --- probabilities, logits, and neither


def test_rounded_probabilities_are_probabilities(tmp_path):
    found = read(tmp_path, "split,label,a,b,c\ntest,a,0.33,0.33,0.33\ntest,b,0.1,0.8,0.1\n")
    assert found.kind == "probabilities"
    np.testing.assert_allclose(softmax(found.test.logits, 1)[0], [1 / 3] * 3, 1e-7)
    assert any("divided by its sum" in note and "0.99 and 1" in note for note in found.notes)


def test_scores_between_0_and_1_that_do_not_sum_to_1_are_logits():
    values = np.random.default_rng(0).random((50, 4))
    found = scores.as_logits(values, list("abcd"), str)
    assert found.kind == "logits"
    np.testing.assert_array_equal(found.logits, values.astype(np.float32))


@pytest.mark.parametrize("classes, rows", [(2, 1), (10, 200), (1000, 40)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_probabilities_of_any_precision_are_known(classes, rows, dtype):
    logits = 3 * np.random.default_rng(classes).normal(size=(rows, classes))
    shares = softmax(logits, 1).astype(dtype).astype(float)
    found = scores.as_logits(shares, list(map(str, range(classes))), str)
    assert found.kind == "probabilities"
    big = shares > 1e-3
    np.testing.assert_allclose(softmax(found.logits, 1)[big], softmax(logits, 1)[big], rtol=2e-3)


def test_logits_and_the_logarithms_of_probabilities_stay_as_they_are():
    logits = 3 * np.random.default_rng(1).normal(size=(30, 5))
    logs = log_softmax(logits, 1)
    for values, kind in ((logits, "logits"), (logs, "log-probabilities"), (logs.round(2), "log-p")):
        found = scores.as_logits(values, list("abcde"), str)
        assert found.kind.startswith(kind)
        np.testing.assert_array_equal(found.logits, values.astype(np.float32))


@pytest.mark.parametrize("base", [2, 10])
def test_logarithms_to_another_base_are_made_natural_ones(base):
    logits = 3 * np.random.default_rng(1).normal(size=(30, 5))
    found = scores.as_logits(log_softmax(logits, 1) / np.log(base), list("abcde"), str)
    assert found.kind == "log-probabilities" and f"to base {base}" in found.notes[0]
    np.testing.assert_allclose(softmax(found.logits, 1), softmax(logits, 1), atol=1e-6)


@pytest.mark.parametrize("base", [np.e, 10])
def test_minus_a_logarithm_is_refused_and_a_logit_of_0_is_not(base):
    logits = 3 * np.random.default_rng(1).normal(size=(30, 5))
    with pytest.raises(DataError, match="^row 0: .*change their sign"):
        scores.as_logits(-log_softmax(logits, 1) / np.log(base), list("abcde"), "row {}".format)
    for values in (8 * np.eye(2)[[0, 1, 0]], np.array([[0, 9.1], [12.3, 0], [0, 7.6]])):
        assert scores.as_logits(values, ["a", "b"], str).kind == "logits"


def test_what_no_rule_can_tell_is_said_with_what_to_bring():
    logits = 3 * np.random.default_rng(1).normal(size=(30, 5))

    def notes(values):
        found = scores.as_logits(values, list("abcde"), str)
        assert found.kind == "logits"
        return " ".join(found.notes)

    for values in (expit(logits), expit(logits).round(2), (logits > 0) * 1.0):
        assert "where a sigmoid made them" in notes(values)
    for values in (np.exp(logits), 1000 * softmax(logits, 1), 100 * expit(logits)):
        assert "none is below 0" in notes(values)
    assert notes(logits) == "the numbers are logits"


def test_zeros_are_clipped_as_stated_and_stay_finite():
    for values in (np.array([[0.0, 1], [0.5, 0.5]]), np.array([[-np.inf, 0], [np.log(0.5)] * 2])):
        found = scores.as_logits(values, ["a", "b"], str)
        assert (
            found.logits[0, 0] == pytest.approx(np.log(1e-38)) and np.isfinite(found.logits).all()
        )
        assert any("1 probabilities of 0" in note for note in found.notes)
        np.testing.assert_allclose(logsumexp(found.logits, 1), 0, atol=1e-6)


@pytest.mark.parametrize(
    "values, words",
    [
        ([[0.2, 0.8], [0, 0], [0.5, 0.5]], "1: sums to 0, where 2 of 3 rows"),
        ([[20.0, 80], [50, 50]], "percentages"),
        ([[33.0, 66], [50, 51]], "percentages"),
        ([[33.3, 66.6], [0.5, 99.4]], "percentages"),
        ([[np.nan, 1], [0, 1]], "nan is not a finite number"),
        ([[1, np.inf], [0, 1]], "inf is not a finite number"),
        ([[1, -np.inf], [0, 1]], "-inf is not a finite number"),
        ([[1, 1e39], [0, 1]], "1e+39 is not a finite number of float32"),
    ],
)
def test_what_is_neither_is_refused(values, words):
    with pytest.raises(DataError, match=f"^row.*{words.replace('+', '.')}"):
        scores.as_logits(np.array(values, float), ["a", "b"], "row {}".format)


def test_one_kind_of_numbers_holds_for_both_splits(tmp_path):
    """Logits beside probabilities, whichever are more, and whichever stand first."""
    random = np.random.default_rng(0)
    logits, truth = random.normal(size=(40, 4)), np.arange(40) % 4
    shares = softmax(logits, 1)
    for val, test, rows in ((logits, shares, 5), (shares, logits, 5), (logits, shares, 40)):
        line = refused_arrays(
            tmp_path,
            val_logits=val[:rows],
            val_labels=truth[:rows],
            test_logits=test,
            test_labels=truth,
        )
        assert "in all rows of both splits" in line


def test_probabilities_rounded_beyond_the_cap_are_refused_and_not_taken_as_logits():
    shares = np.round(softmax(np.random.default_rng(0).normal(size=(50, 300)), 1), 2)
    assert (np.abs(shares.sum(1) - 1) > 0.05).mean() > 0.5
    with pytest.raises(DataError, match="more decimals"):
        scores.as_logits(shares, list(map(str, range(300))), str)


def test_hard_predictions_are_named():
    for values in (np.eye(3)[[0, 1, 2, 0]], 5 * np.eye(3)[[0, 1, 2, 0]], np.zeros((4, 3))):
        found = scores.as_logits(values, list("abc"), str)
        assert found.hard and any("hard predictions" in note for note in found.notes)
    assert not scores.as_logits(np.random.default_rng(0).normal(size=(4, 3)), list("abc"), str).hard


def test_a_softmax_taken_twice_is_asked_about():
    generator = np.random.default_rng(1)
    shares = softmax(4 * generator.normal(size=(40, 6)), 1)
    for values, twice in ((softmax(shares, 1), True), (shares, False)):
        notes = scores.as_logits(values, list("abcdef"), str).notes
        assert any("a softmax makes of probabilities" in note for note in notes) == twice
    # one row is nearly even, as a softmax would leave it, and the others are not
    shares[0] = 1 / 6
    assert not any("twice" in note for note in scores.as_logits(shares, list("abcdef"), str).notes)


@pytest.mark.parametrize("extra", ["max_logit", "top"])
def test_a_column_that_is_the_largest_of_the_others_is_refused(tmp_path, extra):
    logits = np.random.default_rng(2).normal(size=(20, 3)).round(3)
    table = pd.DataFrame(logits, columns=list("abc"))
    table = table.assign(split="test", label="a", **{extra: logits.max(1)})
    line = refused(tmp_path, table.to_csv(index=False))
    assert f"column {extra!r} is no class but the largest of the other columns" in line
    assert scores.as_logits(np.zeros((20, 3)), list("abc"), str).kind == "logits"


@pytest.mark.parametrize("kind", ["probabilities", "logits"])
@pytest.mark.parametrize("extra", ["confidence", "max_prob", "Unnamed: 0", "certainty", "number"])
def test_a_column_that_is_no_class_is_refused_by_name(tmp_path, kind, extra):
    logits = 2 * np.random.default_rng(2).normal(size=(20, 3))
    shares = softmax(logits, 1)
    column = np.arange(20) if extra in ("number", "Unnamed: 0") else shares.max(1)
    table = pd.DataFrame(shares if kind == "probabilities" else logits, columns=list("abc"))
    table = table.assign(split="test", label="a", **{extra: column})
    line = refused(tmp_path, table.to_csv(index=False))
    assert f"column {extra!r}" in line and "a, b, c" in line


def test_a_class_may_be_called_like_a_left_over_column(tmp_path):
    found = read(tmp_path, "split,label,margin,text\ntest,margin,3,1\ntest,text,1,2.5\n")
    assert found.class_names == ["margin", "text"]


# --- one line each


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "not a readable table"),
        (HEADER, "a header and no rows"),
        ("id,label,a,b\n1,a,1,2\n", "no columns split and label"),
        (HEADER + "test,1,cat,1\n", "row 1, column 'dog': '' is not a number"),
        (HEADER + "test,1,cat,1,2\ntest,2,1,2\n", "row 2, column 'dog': ''"),
        (HEADER + "test,1,cat,1,2,3\n", "line 2"),
        (HEADER + "test,1,cat,1,1e400\n", "inf is not a finite number"),
        (HEADER + "test,1,cat,1,1_0\n", "'1_0' is not a number"),
        (HEADER + "test,1,cat,1,٣\n", "'٣' is not a number"),
        (HEADER + 'test,1,cat,1.5,2\ntest,2,cat,"1,5",2\n', "one decimal mark"),
        (HEADER + 'test,"1,cat,1,2\n', "not a readable table"),
        (HEADER + "test,,cat,1,2\n", "row 1: the id '' is empty"),
        (HEADER + "test,a\x00b,cat,1,2\n", "is empty or no text"),
        (HEADER + "train,1,cat,1,2\n", "row 1, column 'split': 'train'"),
        (HEADER + "val,1,cat,1,2\n", "no test rows"),
        (HEADER + "test,7,cat,1,2\ntest,7,cat,1,2\n", "id '7' is given twice: row 1 and row 2"),
        (HEADER + "test,1.58222E+18,cat,1,2\n" * 2, "has a spreadsheet rewritten it"),
        (HEADER + "test,7,cat,1,2\nval,7,cat,1,2\n", "id '7' is in val and in test"),
        ("split,label,a,a\ntest,a,1,2\n", "two columns 'a'"),
        ("split,label,a, a\ntest,a,1,2\n", "two columns 'a'"),
        (",split,label,a,b\n0,test,a,1,2\n", "column 1 has no name"),
        ("split,label,a,b,loss\ntest,a,1,2,3.5\n", "column 'loss' looks like no class"),
        ("split,label,a\ntest,a,1\n", "two are needed"),
        (b"PK\x03\x04rest", "save the sheet as CSV"),
        (HEADER.encode() + "test,é,cat,1,2\n".encode("latin1"), "UTF-8"),
        (gzip.compress((HEADER + ROWS).encode(), mtime=0)[:-12], "not a readable table"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, text, words):
    assert words in refused(tmp_path, text)


def test_an_id_may_stand_in_both_splits_where_it_counts_within_its_split(tmp_path):
    text = HEADER + "test,7,cat,1,2\nval,7,cat,1,2\n"
    assert read(tmp_path, text, ids_by_split=True).val.ids.tolist() == ["7"]


GOOD = {"test_logits": np.eye(3), "test_labels": np.arange(3)}


@pytest.mark.parametrize(
    "arrays, words",
    [
        ({"test_logit": np.eye(3)}, "unknown array 'test_logit'"),
        ({"test_logits": np.eye(3)}, "one is missing"),
        (GOOD | {"val_logits": np.eye(3)}, "one is missing"),
        (
            GOOD | {"val_logits": np.array(0.0), "val_labels": np.arange(0)},
            "val_logits: float64 of shape ()",
        ),
        ({"val_logits": np.eye(3), "val_labels": np.arange(3)}, "no test rows"),
        (GOOD | {"test_ids": np.array(["a", "b", "c"], object)}, "np.array(x, dtype=str)"),
        (GOOD | {"test_ids": np.array([1.0, 2, 3])}, "test_ids: float64"),
        (GOOD | {"test_ids": np.array(["a", "b", "c\udcff"])}, "bytes that are not UTF-8"),
        (GOOD | {"test_ids": np.array(["a", "b"])}, "does not fit"),
        (GOOD | {"test_ids": np.array(["a", "b", "b"])}, "test_logits[1] and test_logits[2]"),
        (GOOD | {"test_labels": np.array([0, 1, 3])}, "label '3' is no class"),
        (GOOD | {"test_labels": np.array([0, 1, -1])}, "label '-1' is no class"),
        (GOOD | {"test_labels": np.array([0.0, 1, 2])}, "test_labels: float64"),
        (GOOD | {"test_labels": np.eye(3, dtype=int)}, "does not fit"),
        (GOOD | {"class_names": np.array(["a", "b"])}, "2 class names for 3 columns"),
        (GOOD | {"class_names": np.array(["a", "b", "a"])}, "two columns for the class 'a'"),
        (GOOD | {"test_logits": np.array([[1, 2, np.nan]] * 3)}, "test_logits[0], class '2': nan"),
        (GOOD | {"test_logits": np.full((3, 3), np.inf, np.float16)}, "inf is not a finite"),
        (GOOD | {"test_logits": np.eye(3) > 0}, "test_logits: bool"),
        (GOOD | {"val_logits": np.eye(2), "val_labels": np.arange(2)}, "equally many columns"),
        (
            GOOD | {"val_logits": np.eye(3), "val_labels": np.arange(3), "val_ids": np.arange(3)},
            "ids of val alone",
        ),
    ],
)
def test_a_mistake_in_an_npz_is_one_line(tmp_path, arrays, words):
    assert words in refused_arrays(tmp_path, **arrays)


def test_what_is_no_npz_is_one_line(tmp_path):
    path = saved(tmp_path, **GOOD)
    refused(tmp_path, path.read_bytes()[:-40], "cut.npz")
    refused(tmp_path, b"version https://git-lfs.github.com/spec/v1\n", "pointer.npz")
    with pytest.raises(DataError, match="No such file"):
        predictions_file.read(tmp_path / "absent.npz")

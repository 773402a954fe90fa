"""Files that the project does not ship: read as they are published, refused in one clear line where
they are something else."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from lib.data import label_reviews
from lib.data.cifar import DataError
from lib.data.dataset import Split, Splits
from lib.evaluation import labels

LABELS = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3])
# given, guessed, both, neither
VOTES = {
    0: (5, 0, 0, 0),
    2: (1, 4, 0, 0),
    3: (2, 2, 1, 0),
    5: (0, 1, 4, 0),
    6: (0, 2, 0, 3),
}


def entry(number, votes, **other):
    return {
        "id": number,
        "given_original_label": int(LABELS[number]),
        "our_guessed_label": 7,
        "mturk": dict(zip(label_reviews.ANSWERS, votes)),
    } | other


@pytest.fixture
def place(tmp_path):
    (tmp_path / label_reviews.REVIEW).write_text(
        json.dumps([entry(number, votes) for number, votes in VOTES.items()])
    )
    (tmp_path / label_reviews.DUPLICATES[0]).write_text(
        "TestID,TrainID,Distance,Judgment\n1,40000,0.0,0\n8,77,0.2,2\n"
    )
    (tmp_path / label_reviews.DUPLICATES[1]).write_text(
        "TestID,TrainID,Distance,Judgment\n0,9,0.1,1\n"
    )
    return tmp_path


def test_a_verdict_needs_three_of_five(place):
    review = label_reviews.read_review(place / label_reviews.REVIEW, LABELS).set_index("id")
    assert review["verdict"].to_dict() == {
        0: "given",
        2: "guessed",
        3: "no majority",
        5: "both",
        6: "neither",
    }
    assert review["votes"].tolist() == [5, 4, 2, 4, 3]
    # of a split cut short
    assert len(label_reviews.read_review(place / label_reviews.REVIEW, LABELS[:3])) == 2


def test_near_duplicates_are_the_test_images_of_both_lists(place):
    # not the train ids
    assert label_reviews.read_duplicates(place / label_reviews.DUPLICATES[0]).tolist() == [1, 8]
    assert label_reviews.read_duplicates(place / label_reviews.DUPLICATES[1]).tolist() == [0, 9]
    assert label_reviews.look_up(LABELS, place)[1].tolist() == [0, 1, 8, 9]


def test_what_is_absent_is_none(place):
    assert label_reviews.missing(place) == []
    (place / label_reviews.DUPLICATES[1]).unlink()
    review, duplicates = label_reviews.look_up(LABELS, place)
    assert (
        len(review) == 5
        and duplicates is None
        and label_reviews.missing(place) == ["duplicates_test_test.csv"]
    )
    (place / label_reviews.REVIEW).unlink()
    assert label_reviews.look_up(LABELS, place) == (None, None)


@pytest.mark.parametrize(
    "content, said",
    [
        ("", "expected entries"),
        ("{}", "empty"),
        ("[]", "empty"),
        ("[1]", "expected entries"),
        ("null", "expected entries"),
        (b"\xff\xfe\x00", "expected entries"),
        ([entry(2, (1, 4, 0))], "expected entries"),
        ([entry(2, (1, 4, 0, 0), id="a")], "expected entries"),
        ([entry(2, (1, 4, 0, 0), id=2.5)], "expected entries"),
        ([entry(2, (1, 4, 0, 0), id=None)], "expected entries"),
        ([entry(2, (1, 4, 0, 0), id=10_000)], "ids must lie from 0 to 9999, got 10000"),
        ([entry(2, (1, 4, 0, 0))] * 2, "image 2 is listed twice"),
        ([entry(2, (1, 1, 0, 0))], "five judgements an image, image 2"),
        ([entry(2, (-1, 6, 0, 0))], "five judgements"),
        ([entry(2, (1, 4, 0, 0), our_guessed_label=100)], "none of the classes"),
        ([entry(2, (1, 4, 0, 0), given_original_label=8)], "image 2 has label 4 here and 8 there"),
    ],
)
def test_another_review_file_is_refused_in_one_line(tmp_path, content, said):
    path = tmp_path / label_reviews.REVIEW
    path.write_bytes(
        content
        if isinstance(content, bytes)
        else (content if isinstance(content, str) else json.dumps(content)).encode()
    )
    with pytest.raises(DataError, match=said) as error:
        label_reviews.read_review(path, LABELS)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content, said",
    [
        ("", "empty"),
        ("TestID,TrainID,Distance,Judgment\n", "empty"),
        ("a,b\n1,2\n", "expected columns"),
        ("TestID,TrainID,Distance,Judgment\nx,1,0.0,0\n", "expected columns"),
        ("TestID,TrainID,Distance,Judgment\n1\n", "expected columns"),
        ("TestID,TrainID,Distance,Judgment\n1,2,0.0,3\n", "Judgment must be 0"),
        ("TestID,TrainID,Distance,Judgment\n10000,2,0.0,1\n", "got 10000"),
        ("TestID,TrainID,Distance,Judgment\n-1,2,0.0,1\n", "got -1"),
    ],
)
def test_another_list_is_refused_in_one_line(tmp_path, content, said):
    path = tmp_path / label_reviews.DUPLICATES[0]
    path.write_text(content)
    with pytest.raises(DataError, match=said) as error:
        label_reviews.read_duplicates(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def of_cifar100():
    split = Split(None, torch.tensor(LABELS), np.arange(10))
    return Splits(
        "cifar100",
        split,
        split,
        split,
        list("abcdefghij"),
        np.arange(10),
        list("abcdefghij"),
        (),
        (),
        "",
    )


def test_what_reviewers_rejected_is_corrected_only_where_they_agree_on_the_other_class(
    place, monkeypatch
):
    monkeypatch.setenv("CIFAR100_ROOT", str(place))
    opinion, duplicates = labels.known(of_cifar100())
    assert np.flatnonzero(opinion.rejected).tolist() == [2, 3, 5, 6] and np.flatnonzero(
        opinion.reviewed
    ).tolist() == [0, 2, 3, 5, 6]
    assert opinion.corrected.tolist() == [3, 1, 7, -1, 5, -1, -1, 6, 5, 3]
    assert np.flatnonzero(duplicates).tolist() == [0, 1, 8, 9]
    assert opinion.words.tolist() == [
        "d (5 of 5)",
        "",
        "h (4 of 5)",
        "no majority",
        "",
        "both (4 of 5)",
        "neither (3 of 5)",
        "",
        "",
        "",
    ]
    suspects = pd.DataFrame({"split": ["val", "test", "test"], "position": [2, 2, 9]})
    assert labels.annotate(suspects, opinion)["reviewers"].tolist() == ["", "h (4 of 5)", ""]
    assert labels.annotate(suspects, None) is suspects
    monkeypatch.setenv("CIFAR100_ROOT", str(place / "nowhere"))
    assert labels.known(of_cifar100()) == (None, None)


def test_make_data_says_what_is_there_and_where_the_rest_comes_from(place, monkeypatch, capsys):
    monkeypatch.setenv("CIFAR100_ROOT", str(place))
    monkeypatch.setattr(
        label_reviews.cifar, "read", lambda: ({}, {"fine_labels": LABELS.tolist()}, {})
    )
    (place / label_reviews.DUPLICATES[1]).unlink()
    assert label_reviews.main([]) == 0
    said = capsys.readouterr().out
    assert (
        "5 labels reviewed, 4 rejected" in said
        and "duplicates_train_test.csv: 2 test images" in said
    )
    assert (
        "duplicates_test_test.csv: not there; optional, save under this name "
        "github.com/cvjena/cifair, meta/duplicates_cifar100_test.csv" in said
    )
    (place / label_reviews.REVIEW).write_text("[")
    with pytest.raises(label_reviews.DataError, match="expected entries"):
        label_reviews.main([])

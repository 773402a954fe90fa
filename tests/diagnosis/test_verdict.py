"""What the phantom knows of its errors."""

import numpy as np

from lib.data import dataset
from lib.diagnosis import verdict


def test_a_planted_cause_acts_only_where_it_points_at_the_prediction():
    split = dataset.load("phantom", sizes={"train": 20, "val": 20, "test": 300}).test
    position = np.arange(299, -1, -2)
    pointed = split.planted["cause_class"].to_numpy()[position]
    known = verdict.planted(split, position, pointed)
    causes = split.planted["cause"].to_numpy()[position]
    assert known["planted"].tolist() == [
        "unexplained" if cause == "none" else cause for cause in causes
    ]
    assert set(known["planted"]) == set(verdict.CAUSES) and known["acts"].all()
    elsewhere = verdict.planted(split, position, (pointed + 1) % 20)
    assert (elsewhere["acts"] == (causes == "none")).all()

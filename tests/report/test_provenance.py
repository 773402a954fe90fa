"""What is said of how arms were trained: all that differs, in any seed."""

from synthetic import FINGERPRINT, run

from lib.report import provenance


def with_fingerprint(one, **changes):
    one.info["fingerprint"] = FINGERPRINT | changes
    return one


def test_trainings_of_more_than_one_precision_are_told():
    three = {seed: with_fingerprint(run(seed), precision="fp32") for seed in range(3)}
    assert provenance.mixed_precision({"a": three}) == []
    other = with_fingerprint(run(0), precision="bf16")
    (line,) = provenance.mixed_precision({"a": three, "b": {0: other}})
    assert line.startswith("b with seed 0 was trained in bf16, the others not")
    brought = with_fingerprint(run(0), precision="fp32")
    brought.info["origin"] = "network"
    assert provenance.mixed_precision({"b": {0: other}, "c": {0: brought}}) == []


def test_the_reference_and_an_equal_arm_are_called_that():
    told = provenance.differences(
        {
            "a": {0: run(0)},
            "b": {0: run(0)},
            "c": {0: run(0, params={"augment": False, "arm": "c"})},
        }
    )
    assert told == {
        "a": "the reference, with crop and flip",
        "b": "the same parameters as the first arm",
        "c": "neither crop nor flip",
    }


def test_every_remedy_is_told_in_the_fields_words():
    every = {"mixup_probability": 0.5, "cutout_size": 8, "schedule": "cosine"}
    one, other = run(0, params=every), run(0, params={"label_smoothing": 0.1})
    words = "MixUp of a batch with probability 0.5, Cutout of 8 px and a cosine schedule"
    assert provenance.differences({"a": {0: one}, "b": {0: other}}) == {
        "a": f"the reference, with crop and flip, {words}",
        "b": "label smoothing 0.1, no MixUp, no Cutout, a learning rate in steps",
    }


def test_arms_are_told_apart_by_every_parameter_and_by_their_remedies():
    changes = {"label_smoothing": 0.1, "epochs": 4, "cutmix_probability": 0.5}
    study = provenance.study_numbers(
        {"base_line": {0: run(0)}, "new": {0: run(0, params=changes)}}, Splits, [0]
    )
    assert study["changes"]["base_line"]["new"] == [
        "epochs 4 (else 2)",
        "CutMix of a batch with probability 0.5",
        "label smoothing 0.1",
    ]
    assert study["remedies"] == ["crop and flip", "CutMix", "label smoothing"]


def test_threads_precision_and_device_are_no_secret():
    told = provenance.differences(
        {
            "a": {0: run(0)},
            "b": {0: with_fingerprint(run(0), threads=4, precision="fp32", device_name="H100")},
        }
    )
    assert (
        told["b"] == "computed in fp32, not bf16, device H100 (else AMD EPYC), threads 4 (else 1)"
    )


def test_seeds_that_ran_otherwise_are_listed():
    told = provenance.differences(
        {"a": {0: run(0)}, "b": {0: run(0), 1: with_fingerprint(run(1), threads=2)}}
    )
    assert told["b"] == "threads 1 or 2 (else 1)"


class Rows:
    images = ()

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size


class Splits:
    name, class_names, digest, train, val, test = (
        "phantom",
        list("vwxyz"),
        "d",
        *(Rows(size) for size in (9, 3, 3)),
    )


def test_the_table_of_parameters_has_those_of_every_arm():
    theirs = run(0)
    theirs.info["params"] = {"data": "none", "predictions": "p.csv"}
    for order in (("theirs", "ours"), ("ours", "theirs")):
        runs = {"theirs": {0: theirs}, "ours": {0: run(0)}}
        table = provenance.parameters_table({arm: runs[arm] for arm in order})
        assert {"predictions", "learning_rate", "width"} <= set(table["parameter"])


def test_what_is_not_the_same_in_every_arm_is_named():
    wide, first = run(0, params={"width": 64, "epochs": 50}), run(0)
    wide.info["mean_lambda"] = 0.6
    second = run(1)
    second.info["share_that_differs_between_two_readings"] = {"train": 0.9, "val": 0.1, "test": 0.0}
    study = provenance.study_numbers(
        {"a": {0: first, 1: second}, "b": {0: wide, 1: wide}}, Splits, [0]
    )
    assert (
        study["varies"] == ["width", "epochs"]
        and study["widths"] == [8, 64]
        and study["epochs_of_arms"] == [2, 50]
    )
    assert study["proof"]["a"] == {"train": 0.9, "val": 0.1, "test": 0.0} and study[
        "mean_lambda"
    ] == {"a": None, "b": 0.6}

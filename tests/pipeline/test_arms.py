"""Arms that a study brings: networks and predictions are checked, taken in as runs and told to
make; what does not go together is one line."""

import numpy as np
import pytest
import torch
from networks import Small

from lib.base import artefacts, study_file
from lib.base.errors import Error
from lib.pipeline import arms, command_line, preflight
from lib.training import record

pytestmark = pytest.mark.usefixtures("one_thread")
PHANTOM = "{source: phantom, train_size: 60, val_size: 40, test_size: 40}"
THEIRS = "network: 'networks:Small', weights: w.pt, mean: 0.5, std: 0.25"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project without studies; the weights of a small network, two tables of predictions."""
    (tmp_path / "lib").symlink_to(artefacts.ROOT / "lib")  # whose code is part of a run's key
    monkeypatch.setattr(artefacts, "ROOT", tmp_path)
    (tmp_path / "params").mkdir()
    torch.manual_seed(0)
    torch.save(Small(20).state_dict(), tmp_path / "w.pt")
    for number in (0, 1):
        write_csv(tmp_path / f"{number}.csv", number)
    return tmp_path


def write_csv(path, seed):
    """30 rows of validation, 60 of test; probabilities of three classes."""
    random, lines = np.random.default_rng(seed), ["split,id,label,bee,cat,dog"]
    for split, size in (("val", 30), ("test", 60)):
        for row in range(size):
            shares = random.dirichlet([1, 1, 1])
            shares[2] = 1 - shares[:2].sum()
            label = ["bee", "cat", "dog"][row % 3]
            lines.append(f"{split},{split}{row},{label},{','.join(map(str, shares))}")
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


def written(place, data: str, *of_arms: str):
    text = f"title: It\ndata: {data}\narms:\n" + "".join(f"  {arm}\n" for arm in of_arms)
    (place / "params" / "s.yaml").write_text(text, encoding="utf-8")


def mistakes(place, data: str, *of_arms: str) -> list[str]:
    written(place, data, *of_arms)
    with pytest.raises(Error) as caught:
        preflight.checked(study_file.read("s"))
    return str(caught.value).splitlines()


PREDICTED = ("one: {predictions: 0.csv}", "other: {predictions: 1.csv}")


def test_predictions_alone_pass_the_check_and_become_runs(place):
    written(place, "{source: none}", *PREDICTED)
    assert command_line.main(["check", "s", "--outputs", "o"]) == 0
    assert command_line.main(["run", "s", "arms", "--outputs", "o"]) == 0
    runs = record.load_runs(place / "o" / "s", {"one": [42], "other": [42]})
    for number, arm in enumerate(runs):
        run, rows = runs[arm][42], np.genfromtxt(place / f"{number}.csv", str, delimiter=",")
        said = {row[1]: np.argmax(row[3:].astype(float)) for row in rows[1:]}
        assert run.info["origin"] == "predictions" and len(run.test.labels) == 60
        assert [said[one] for one in run.test.ids] == run.test.predicted.tolist()


def test_metadata_of_none_of_the_rows_that_are_brought_is_one_line(place):
    (place / "m.csv").write_text("id,camera\ntest3,a\n")
    written(place, "{source: none, metadata: m.csv}", *PREDICTED)
    preflight.checked(study_file.read("s"))
    (place / "m.csv").write_text("id,camera\nother,a\n")
    (line,) = mistakes(place, "{source: none, metadata: m.csv}", *PREDICTED)
    assert "no id is a test picture's: 'other' in the file" in line


def test_a_network_passes_the_check_and_becomes_a_run(place):
    written(place, PHANTOM, f"theirs: {{{THEIRS}}}")
    assert command_line.main(["check", "s", "--outputs", "o"]) == 0
    assert command_line.main(["run", "s", "arms", "--outputs", "o"]) == 0
    run = record.load_runs(place / "o" / "s", {"theirs": [42]})["theirs"][42]
    assert run.info["origin"] == "network" and run.info["layer"] == "conv2"
    assert len(run.test.labels) == 40 and record.has_weights(run)


def test_make_is_told_of_the_files_that_an_arm_is_made_of(place):
    (place / "params" / "s").mkdir()
    (place / "params" / "s" / "my_net.py").write_text(
        "from networks import Small\n\n\ndef net():\n    return Small(20)\n", encoding="utf-8"
    )
    (place / "w.pt").rename(place / "params" / "s" / "w.pt")
    (place / "0.csv").rename(place / "a b$.csv")
    theirs = THEIRS.replace("networks:Small", "my_net:net")
    written(place, PHANTOM, f"theirs: {{{theirs}}}", "told: {predictions: a b$.csv}")
    assert arms.files(study_file.read("s")) == [
        f"{place}/a b$.csv",
        f"{place}/params/s/w.pt",
        f"{place}/params/s/my_net.py",
    ]


@pytest.mark.parametrize(
    "data, said, line",
    [
        (PHANTOM, THEIRS + ", epochs: 3", "arms.a: epochs: an arm with weights is not trained"),
        ("{source: none}", "predictions: 0.csv, width: 8", "arms.a: width: an arm of predictions"),
        ("{source: none}", "predictions: 0.csv, weights: w.pt", "arms.a: weights: an arm of"),
        ("{source: none}", "width: 8", "arms.a: data: source: none is of predictions alone"),
        ("{source: none}", THEIRS, "arms.a: data: source: none is of predictions alone"),
        ("{source: none}", "predictions: 7", "arms.a: predictions: the path of a file (got 7)"),
        (PHANTOM, THEIRS + ", seeds: [1, 2]", "arms.a: seeds: what is brought is one network"),
        (PHANTOM, "seeds: 3", "arms.a: seeds: Input should be a valid list (got 3)"),
        (PHANTOM, THEIRS.replace("mean: 0.5, ", ""), "arms.a: mean: Field required"),
        (PHANTOM, THEIRS.replace("w.pt", "3"), "arms.a: weights: Input should be a valid string"),
    ],
)
def test_what_does_not_go_together_is_one_line(place, data, said, line):
    (found,) = mistakes(place, data, f"a: {{{said}}}")
    assert found.startswith(f"params/s.yaml: {line}")


def test_files_that_are_not_there_are_one_line(place):
    (line,) = mistakes(place, PHANTOM, f"a: {{{THEIRS.replace('w.pt', 'none.pt')}}}")
    assert line.startswith("arm a: weights ") and "none.pt: cannot be read" in line
    (line,) = mistakes(place, "{source: none}", "a: {predictions: none.csv}")
    assert "none.csv: No such file" in line


def test_other_seeds_leave_what_is_brought_one_network(place):
    written(place, "{source: none}", *PREDICTED)
    assert study_file.read("s").chosen(seeds=[5, 6]).seeds == {"one": [5], "other": [5]}


@pytest.mark.parametrize(
    "data, of_arms, ids, absent",
    [
        ("{source: none}", PREDICTED, ("test0", "test59"), "val0"),
        (PHANTOM, (f"a: {{{THEIRS}}}",), (0, 39), 40),
    ],
    ids=["predictions", "a network"],
)
def test_named_cases_are_held_against_the_ids_of_what_is_brought(place, data, of_arms, ids, absent):
    def named(*ids):
        lines = [f"- {{id: {one}, hypothesis: it}}" for one in ids]
        (place / "cases.yaml").write_text("\n".join(["cases:", *lines, ""]), encoding="utf-8")

    named(*ids)
    written(place, data, *of_arms, "\ncases: cases.yaml")
    preflight.checked(study_file.read("s"))
    named(*ids, absent)
    (line,) = mistakes(place, data, *of_arms, "\ncases: cases.yaml")
    assert line == f"cases.yaml: no test image has id {absent}"


@pytest.mark.slow
def test_bad_input_of_every_kind_is_one_line_and_a_status_before_anything_is_made(place, capsys):
    torch.save({"a": torch.zeros(1)}, place / "other.pt")
    (place / "w.onnx").write_bytes(b"\x08\x07")
    (place / "twice.csv").write_text("split,id,label,a,b\ntest,1,a,1,0\ntest,1,b,0,1\n")
    (place / "nan.csv").write_text("split,id,label,a,b\ntest,1,a,nan,0\ntest,2,b,0,1\n")
    bad = [
        (PHANTOM, THEIRS.replace("w.pt", "w.onnx"), "ONNX is not read"),
        (PHANTOM, THEIRS.replace("w.pt", "other.pt"), "0 of the network's 6 parameters"),
        (PHANTOM, THEIRS.replace(":Small", ":Dropped"), "other logits for the same images"),
        (PHANTOM, THEIRS.replace(":Small", ":absent"), "no function 'absent'"),
        (PHANTOM, THEIRS + ", layer: conv9", "there is no such module; is it conv2?"),
        (PHANTOM, THEIRS.replace("0.25", "60"), "not of pixels in 0..1"),
        (PHANTOM, THEIRS + ", classes: [a, b]", "the data's 20 class names"),
        ("{source: none}", "predictions: twice.csv", "id '1' is given twice"),
        ("{source: none}", "predictions: nan.csv", "not a finite number"),
        ("{source: none}", "predictions: none.csv", "No such file"),
    ]
    for data, said, line in bad:
        written(place, data, f"a: {{{said}}}")
        assert command_line.main(["check", "s", "--outputs", "o"]) == 2
        told = capsys.readouterr().err.strip()
        assert line in told and len(told.splitlines()) == 1, told
        assert command_line.main(["run", "s", "arms", "--outputs", "o"]) == 2
        capsys.readouterr()
        assert not list(place.glob("o/s/a/*"))

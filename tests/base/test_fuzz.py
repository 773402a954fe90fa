"""Parameter files and artefacts that nobody would write by hand: refused in words, or accepted
rightly; never another error.

`make fuzz` runs 10,000 of each; `make test` some.
"""

import io
import json
import math
import os
import re
import shutil
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parameters import BASES
from small_runs import content, make_run, with_its_sum

from lib.base import artefacts, config
from lib.base.config import NETWORK, ParameterError, parse_yaml, read_yaml
from lib.evaluation import failures
from lib.report import claims, conditions
from lib.training import checkpoint, record

EXAMPLES = int(os.environ.get("FUZZ", 300))
PER_ARTEFACT = max(EXAMPLES // 10, 30)
quiet = dict(
    deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)

# --- parameters: what is allowed, written anew by hand


def whole(low, high=math.inf):
    return lambda value: type(value) is int and low <= value <= high


def one_of(*words):
    return lambda value: type(value) is str and value in words


def name(value):
    return type(value) is str and re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", value, re.A) is not None


def place(value):
    return type(value) is str and value != "" and not any(ord(letter) < 32 for letter in value)


def text(value):
    return type(value) is str


def number(low, high=math.inf, low_too=True, high_too=True):
    return lambda value: (
        type(value) in (int, float)
        and abs(value) < math.inf
        and (low < value or low_too and low == value)
        and (value < high or high_too and value == high)
    )


def rising(item, least=0):
    return lambda value: (
        type(value) is list
        and len(value) >= least
        and all(map(item, value))
        and all(a < b for a, b in zip(value, value[1:]))
    )


def listed(item, least=1):
    return lambda value: type(value) is list and len(value) >= least and all(map(item, value))


def seeds_of_names(value):
    seeds = listed(whole(0, 2**32 - 1))
    return (
        type(value) is dict
        and len(value) > 0
        and all(name(arm) and seeds(of) and len(set(of)) == len(of) for arm, of in value.items())
    )


STAGE = {"study": name, "outputs": place}
VIEW = STAGE | {
    "runs": place,
    "arms": seeds_of_names,
    "before": name,
    "after": lambda value: value == "" or name(value),
}
ALLOWED = {
    "train": STAGE
    | {
        "arm": name,
        "seed": whole(0, 2**32 - 1),
        "data": one_of("phantom", "cifar10", "cifar100", "folder"),
        "root": text,
        "image_size": lambda value: whole(32, 1024)(value) and value % 32 == 0,
        "data_seed": whole(0, 2**32 - 1),
        "train_size": whole(0),
        "val_size": whole(0),
        "test_size": whole(0),
        "network": lambda value: type(value) is str and re.search(NETWORK, value) is not None,
        "width": whole(1, 512),
        "epochs": whole(1),
        "milestones": rising(whole(1)),
        "batch_size": whole(2),
        "learning_rate": number(0, low_too=False),
        "momentum": number(0, 1, high_too=False),
        "weight_decay": number(0),
        "augment": lambda value: type(value) is bool,
        "cutmix_probability": number(0, 1),
        "cutmix_alpha": number(0, low_too=False),
        "label_smoothing": number(0, 1, high_too=False),
        "mixup_probability": number(0, 1),
        "mixup_alpha": number(0, low_too=False),
        "cutout_size": whole(0),
        "schedule": one_of("steps", "cosine"),
        "precision": one_of("auto", "bf16", "fp32"),
        "device": one_of("auto", "cpu", "cuda", "mps"),
        "threads": whole(1),
        "strict_resume": lambda value: type(value) is bool,
    },
    "failures": VIEW | {"mined": whole(0, 100), "cases": text},
    "gradcam": VIEW
    | {
        "shown": whole(1, 20),
        "diagnosed": whole(0, 100),
        "probed": whole(0),
        "planted": whole(0, 1000),
        "quick": lambda value: type(value) is bool,
    },
    "compare": VIEW
    | {
        "confidence_levels": rising(number(0, 1), 1),
        "reject_below": number(0, 1),
        "target_risk": number(0, 1, low_too=False, high_too=False),
        "equivalence_margin": number(0, 1, low_too=False, high_too=False),
        "bootstrap_draws": whole(100, 100_000),
        "corruption_images": whole(0),
        "metadata": text,
        "outside": text,
        "claims": text,
    },
    "report": VIEW
    | {
        "title": lambda value: type(value) is str and 1 <= len(value) <= 300,
        "claims": text,
        "conditions": lambda value: type(value) is list and all(type(one) is dict for one in value),
        "brief": lambda value: type(value) is bool,
    },
}


def allowed(stage: str, values: dict) -> bool:
    rules = ALLOWED[stage]
    if set(values) != set(rules) or not all(rules[key](value) for key, value in values.items()):
        return False
    if stage == "train":
        of_a_folder = values["data"] == "folder"
        placed = of_a_folder == bool(values["root"].strip()) and not any(
            ord(letter) < 32 for letter in values["root"]
        )
        sized = values["image_size"] == 32 or of_a_folder and values["width"] >= 16
        return (
            placed
            and sized
            and values["cutmix_probability"] + values["mixup_probability"] <= 1
            and values["cutout_size"] <= values["image_size"]
            and all(milestone < values["epochs"] for milestone in values["milestones"])
        )
    if len(values["arms"]) == 1:
        return [values["before"]] == list(values["arms"]) and values["after"] == ""
    return values["before"] != values["after"] and {values["before"], values["after"]} <= set(
        values["arms"]
    )


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 600),
    st.integers(),
    st.floats(),
    st.sampled_from([0, 1, 100, 512, 513, 2**32 - 1, 2**32, 0.5, 1.0, 1e-3]),
    st.text(max_size=5),
    st.sampled_from(
        [
            "a",
            "b",
            "auto",
            "cpu",
            "layer4",
            "phantom",
            "../x",
            "{seed}",
            "$(id)",
            "",
            "a\nb",
            "no",
            "1e-3",
            "12:30",
        ]
    ),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.dictionaries(st.text(max_size=3), SCALARS, max_size=2),
)
STAGES = st.sampled_from(sorted(BASES))


@st.composite
def files(draw):
    """A stage and the text of a parameter file: a good one with up to three changes, perhaps with
    some of its characters changed."""
    stage = draw(STAGES)
    values = dict(BASES[stage])
    for _ in range(draw(st.integers(0, 3))):
        key = draw(
            st.one_of(st.sampled_from(sorted(BASES[stage])), st.text(max_size=6), st.integers())
        )
        if draw(st.booleans()):
            values[key] = draw(VALUES)
        else:
            values.pop(key, None)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=draw(st.booleans()))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        at = draw(st.integers(0, len(text)))
        text = (
            text[:at]
            + draw(
                st.one_of(st.text(max_size=3), st.sampled_from(list("&*!%@`{}[]:,-?#|>'\"\t\n")))
            )
            + text[at + draw(st.integers(0, 3)) :]
        )
    return stage, text


@pytest.mark.slow
@settings(max_examples=EXAMPLES, **quiet)
@given(files())
def test_a_parameter_file_is_refused_by_lines_or_all_of_it_is_allowed(case):
    stage, text = case
    try:
        values = parse_yaml(text, "file.yaml")
        checked = (
            config.check(stage, values, dict.fromkeys(values, "file.yaml"))
            if isinstance(values, dict)
            else None
        )
    except ParameterError as error:
        assert str(error) and all(
            line.startswith(("file.yaml: ", "parameters: ")) for line in str(error).split("\n")
        )
        values = parse_or_none(text)
        assert not isinstance(values, dict) or not allowed(stage, values)
    else:
        assert checked is None or allowed(stage, values) and checked.model_dump() == values


def parse_or_none(text):
    try:
        return parse_yaml(text, "")
    except ParameterError:
        return None


# --- artefacts: bytes changed


@st.composite
def damage(draw, content: bytes) -> bytes:
    """`content` with one to four changes: bits flipped, pieces cut out, doubled, overwritten, or
    its end lost."""
    for _ in range(draw(st.integers(1, 4))):
        at, length = draw(st.integers(0, max(len(content) - 1, 0))), draw(st.integers(0, 40))
        kind = draw(st.sampled_from(["flip", "cut", "double", "put", "end"]))
        if kind == "flip" and content:
            content = (
                content[:at]
                + bytes([content[at] ^ 1 << draw(st.integers(0, 7))])
                + content[at + 1 :]
            )
        elif kind == "end":
            content = content[:at]
        else:
            piece = (
                {"cut": b"", "double": content[at : at + length] * 2}.get(kind)
                if kind != "put"
                else draw(st.binary(max_size=8))
            )
            content = content[:at] + (piece or b"") + content[at + length :]
    return content


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("run"))
    return (
        folder,
        {path.name: path.read_bytes() for path in folder.iterdir()},
        record.load_run(folder),
    )


def same_run(one, other) -> bool:
    return (
        one.info == other.info
        and one.history.equals(other.history)
        and all(
            np.array_equal(getattr(getattr(one, split), what), getattr(getattr(other, split), what))
            for split in ("val", "test")
            for what in ("index", "labels", "logits")
        )
    )


@pytest.mark.parametrize(
    "file", ["run.json", "predictions.npz", "history.csv", "model.safetensors"]
)
def test_a_damaged_file_of_a_run_is_refused_or_the_run_is_the_same(run, file):
    folder, contents, whole_run = run

    @settings(max_examples=PER_ARTEFACT, **quiet)
    @given(damage(contents[file]))
    def check(content):
        (folder / file).write_bytes(content)
        try:
            read = record.load_run(folder)
            record.load_model(read, classes=3)
            assert same_run(read, whole_run)
        except artefacts.ArtefactError as error:
            assert str(folder / file) in str(error)

    try:
        check()
    finally:
        (folder / file).write_bytes(contents[file])


@pytest.mark.parametrize(
    "file", ["run.json", "predictions.npz", "history.csv", "model.safetensors"]
)
def test_a_damaged_file_whose_sums_were_made_to_fit_is_refused_or_a_whole_run(run, tmp_path, file):
    """As by a hand that knows how sums are made."""
    folder = shutil.copytree(run[0], tmp_path / "run")
    info = record.read_record(folder / "run.json")

    @settings(max_examples=PER_ARTEFACT, **quiet)
    @given(damage(json.dumps(info).encode() if file == "run.json" else run[1][file]))
    def check(content):
        changed = info
        if file == "run.json":
            try:
                changed = json.loads(content)
            except (ValueError, RecursionError):
                return
            if not isinstance(changed, dict):
                return
        else:
            (folder / file).write_bytes(content)
            changed = info | {"sha256": info["sha256"] | {file: artefacts.sha256_of(folder / file)}}
        (folder / "run.json").write_text(
            json.dumps(changed | {"record": artefacts.digest(changed)}), encoding="utf-8"
        )
        try:
            read = record.load_run(folder)
            record.load_model(read, classes=3)
        except artefacts.ArtefactError as error:
            assert str(folder) in str(error)
        else:
            for split in (read.val, read.test):
                assert (
                    split.logits.shape == (len(split.labels), 3)
                    and np.isfinite(split.logits).all()
                    and len(split.index) == len(split.labels)
                )
                assert (
                    split.labels.dtype == np.int64
                    and (0 <= split.labels).all()
                    and (split.labels < 3).all()
                )

    check()


@pytest.mark.parametrize("sum_made_to_fit", [False, True])
def test_a_damaged_checkpoint_is_passed_over_or_a_mapping_of_this_run(tmp_path, sum_made_to_fit):
    checkpoint.write(tmp_path, content(1))
    good = (tmp_path / "checkpoint.pt").read_bytes()

    @settings(max_examples=PER_ARTEFACT, **quiet)
    @given(damage(good[32:] if sum_made_to_fit else good))
    def check(changed):
        (tmp_path / "checkpoint.pt").write_bytes(
            with_its_sum(changed) if sum_made_to_fit else changed
        )
        with redirect_stdout(io.StringIO()):
            read = checkpoint.read(tmp_path, "k")
        assert read is None or read["key"] == "k" and (sum_made_to_fit or changed == good)

    check()


LISTS = {
    "claims": ("params/claims/cifar100.yaml", claims.read_claims),
    "conditions": (
        "params/cifar100.yaml",
        lambda path: conditions.read_conditions(read_yaml(path).get("conditions"), path),
    ),
    "cases": (
        "params/cases/cifar100.yaml",
        lambda path: failures.read_cases(path, np.arange(10_000)),
    ),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_damaged_list_of_entries_is_refused_by_lines_or_read(tmp_path, kind):
    source, read = LISTS[kind]
    path = tmp_path / f"{kind}.yaml"
    entries = read_yaml(artefacts.ROOT / source)
    key = max(
        entries, key=lambda name: len(entries[name]) if isinstance(entries[name], list) else 0
    )
    # three entries have all there is to damage
    original = yaml.safe_dump(entries | {key: entries[key][:3]}, allow_unicode=True).encode()

    @settings(max_examples=PER_ARTEFACT, **quiet)
    @given(damage(original))
    def check(changed):
        path.write_bytes(changed)
        try:
            read(str(path))
        except ParameterError as error:
            assert all(line.startswith(f"{path}: ") for line in str(error).split("\n"))

    check()


def test_a_history_that_is_none_is_refused(run, tmp_path):
    folder = shutil.copytree(run[0], tmp_path / "run")
    for damaged in (b"", b"\xff\xfe", b'"a', b"a,b\n1\n1,2,3\n"):
        artefacts.write_bytes(folder / "history.csv", damaged)
        info = record.read_record(folder / "run.json")
        info["sha256"]["history.csv"] = artefacts.sha256_of(folder / "history.csv")
        record.write_record(folder / "run.json", info)
        with pytest.raises(artefacts.ArtefactError, match="history.csv: not a readable table"):
            record.load_run(folder)
    assert isinstance(record.load_run(run[0]).history, pd.DataFrame)

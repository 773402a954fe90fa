"""Parameters: every mistake is found before anything runs, and named with its file, its key and
what is allowed."""

import math
import re

import pytest
from parameters import BASES, GRADCAM, REPORT, TRAIN

from lib.base import config
from lib.base.config import ParameterError, parse_yaml, read_yaml


def mistakes(stage, origin=None, **changes):
    with pytest.raises(ParameterError) as caught:
        config.check(stage, BASES[stage] | changes, origin)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("stage", BASES)
def test_good_parameters_pass_unchanged(stage):
    assert config.check(stage, BASES[stage]).model_dump() == BASES[stage]


def test_checked_parameters_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        config.check("train", TRAIN).epochs = 100


@pytest.mark.parametrize(
    "stage, name, value, says",
    [
        ("train", "seed", True, "valid integer"),
        ("train", "epochs", True, "valid integer"),
        ("train", "epochs", 4.0, "valid integer"),
        ("train", "epochs", "4", "valid integer"),
        ("train", "epochs", None, "valid integer"),
        ("train", "epochs", 0, "greater than or equal to 1"),
        ("train", "width", 0, "greater than or equal to 1"),
        ("train", "width", 513, "less than or equal to 512"),
        ("train", "threads", 0, "greater than or equal to 1"),
        ("train", "batch_size", 1, "greater than or equal to 2"),
        ("train", "seed", -1, "greater than or equal to 0"),
        ("train", "seed", 2**32, "less than 4294967296"),
        ("train", "data_seed", -1, "greater than or equal to 0"),
        ("train", "train_size", -1, "greater than or equal to 0"),
        ("train", "val_size", -1, "greater than or equal to 0"),
        ("train", "test_size", -1, "greater than or equal to 0"),
        ("train", "learning_rate", 0, "greater than 0"),
        ("train", "learning_rate", math.nan, "finite number"),
        ("train", "learning_rate", math.inf, "finite number"),
        ("train", "learning_rate", "0.1", "valid number"),
        ("train", "cutmix_probability", True, "valid number"),
        ("train", "cutmix_probability", 1.01, "less than or equal to 1"),
        ("train", "cutmix_probability", -0.1, "greater than or equal to 0"),
        ("train", "cutmix_alpha", 0, "greater than 0"),
        ("train", "momentum", 1, "less than 1"),
        ("train", "momentum", False, "valid number"),
        ("train", "label_smoothing", 1, "less than 1"),
        ("train", "weight_decay", -1e-9, "greater than or equal to 0"),
        ("train", "augment", 1, "valid boolean"),
        ("train", "augment", "false", "valid boolean"),
        ("train", "mixup_probability", 1.01, "less than or equal to 1"),
        ("train", "mixup_probability", True, "valid number"),
        ("train", "mixup_alpha", 0, "greater than 0"),
        ("train", "cutout_size", -1, "greater than or equal to 0"),
        ("train", "cutout_size", 33, "at most the side of the images (32 px)"),
        ("train", "cutout_size", 0.5, "valid integer"),
        ("train", "schedule", "linear", "'steps' or 'cosine'"),
        ("train", "data", "cifar", "'phantom', 'cifar10', 'cifar100' or 'folder'"),
        ("train", "root", "photos", 'is "" for other data'),
        ("train", "image_size", 64, "the images of phantom have 32 px"),
        ("train", "image_size", 100, "multiple of 32"),
        ("train", "image_size", 2048, "less than or equal to 1024"),
        ("train", "image_size", "224", "valid integer"),
        ("train", "precision", "fp16", "'auto', 'bf16' or 'fp32'"),
        ("train", "device", "gpu", "'auto', 'cpu', 'cuda' or 'mps'"),
        ("train", "milestones", 3, "valid list"),
        ("train", "milestones", [4], "before the last epoch (4)"),
        ("train", "milestones", [2, 9], "before the last epoch (4)"),
        ("train", "milestones", [3, 2], "must rise"),
        ("train", "milestones", [2, 2], "must rise"),
        ("train", "outputs", "", "match pattern"),
        ("train", "outputs", "a\0b", "match pattern"),
        ("report", "runs", "", "match pattern"),
        ("report", "arms", {}, "at least 1 item"),
        ("report", "title", "", "at least 1 character"),
        ("report", "title", "x" * 301, "at most 300 characters"),
        ("report", "before", "c", "two of the arms (a, b)"),
        ("report", "after", "c", "two of the arms (a, b)"),
        ("report", "after", "a", "two of the arms (a, b)"),
        ("report", "after", "", "two of the arms (a, b)"),
        ("failures", "mined", 101, "less than or equal to 100"),
        ("failures", "cases", None, "valid string"),
        ("gradcam", "shown", 0, "greater than or equal to 1"),
        ("gradcam", "diagnosed", -1, "greater than or equal to 0"),
        ("gradcam", "planted", -1, "greater than or equal to 0"),
        ("gradcam", "quick", "yes", "valid boolean"),
        ("compare", "corruption_images", -1, "greater than or equal to 0"),
        ("compare", "confidence_levels", [], "at least 1 item"),
        ("compare", "reject_below", 1.1, "less than or equal to 1"),
        ("compare", "confidence_levels", [0.5, 0.5], "must rise, each given once"),
        ("compare", "confidence_levels", [0.9, 0.5], "must rise, each given once"),
        ("compare", "target_risk", 0, "greater than 0"),
        ("compare", "target_risk", 1, "less than 1"),
        ("compare", "bootstrap_draws", 99, "greater than or equal to 100"),
        ("compare", "bootstrap_draws", 100_001, "less than or equal to 100000"),
    ],
)
def test_one_mistake_is_one_line_with_file_key_rule_and_value(stage, name, value, says):
    (line,) = mistakes(stage, {name: "study/file.yaml"}, **{name: value})
    assert (
        line.startswith(f"study/file.yaml: {name}: ")
        and says in line
        and line.endswith(f"(got {value!r})")
    )


def test_mixup_and_cutmix_share_the_batches():
    whole = TRAIN | {"cutmix_probability": 0.7}
    for mixup in (0.0, 0.3, 1 - 0.7):
        assert config.check("train", whole | {"mixup_probability": mixup})
    (line,) = mistakes(
        "train", {"mixup_probability": "arm.yaml"}, cutmix_probability=0.7, mixup_probability=0.4
    )
    assert line.startswith("arm.yaml: mixup_probability: a batch is mixed once at most")
    assert "cutmix_probability (0.7) must not sum to more than 1 (got 0.4)" in line


FOLDER = {"data": "folder", "root": "photos", "image_size": 224, "width": 16}


@pytest.mark.parametrize(
    "name, value, says",
    [
        ("root", "", "names the folder of the images"),
        ("root", " ", "names the folder of the images"),
        ("root", "a\nb", "printable"),
        ("image_size", 200, "multiple of 32"),
        ("width", 15, "at least 16 for images of more than 32 px"),
    ],
)
def test_a_folder_has_a_place_a_size_and_a_width_that_can_be_trained(name, value, says):
    assert config.check("train", TRAIN | FOLDER).root == "photos"
    (line,) = mistakes("train", {name: "file.yaml"}, **FOLDER | {name: value})
    assert line.startswith(f"file.yaml: {name}: ") and says in line


@pytest.mark.parametrize(
    "stage, name, value, place",
    [
        ("train", "milestones", [True], "milestones.0"),
        ("compare", "confidence_levels", [0.5, 2], "confidence_levels.1"),
        ("report", "arms", {"a": [0], "b": [0, -1]}, "arms.b.1"),
        ("report", "arms", {"a": [0], "b": []}, "arms.b"),
        ("report", "arms", {"a": [0], "b": [1, 1]}, "arms.b"),
    ],
)
def test_a_mistake_in_a_list_names_the_item(stage, name, value, place):
    lines = mistakes(stage, {name: "file.yaml"}, **{name: value})
    assert any(line.startswith(f"file.yaml: {place}: ") for line in lines)


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "..",
        ".",
        "/etc",
        "a/b",
        "a\\b",
        "{seed.__class__}",
        "%s",
        "$(touch x)",
        "a b",
        "a\n",
        "a\0b",
        "a" * 300,
        "A",
        "-f",
        "_x",
        # the a in cifаr100 is Cyrillic
        "cifаr100",
        b"smoke",
        7,
    ],
)
@pytest.mark.parametrize(
    "field, stage",
    [("study", "train"), ("arm", "train"), ("before", "report"), ("after", "report")],
)
def test_names_that_are_more_than_names_are_refused(field, stage, name):
    line = mistakes(stage, **{field: name})[0]
    assert line.startswith(f"parameters: {field}: ")


@pytest.mark.parametrize(
    "field, stage", [("study", "train"), ("arm", "train"), ("before", "report")]
)
def test_no_name_is_none(field, stage):
    assert mistakes(stage, **{field: ""})[0].startswith(f"parameters: {field}: ")


@pytest.mark.parametrize("before, after", [("a", "b"), ("a", "a"), ("b", "")])
def test_one_arm_stands_alone(before, after):
    assert config.check("report", REPORT | {"arms": {"a": [0]}, "after": ""}).pair == ("a",)
    assert (
        "with one arm (a) before must be that arm"
        in mistakes("report", arms={"a": [0]}, before=before, after=after)[0]
    )


def test_names_in_a_list_are_checked_too():
    assert mistakes("report", arms={"a": [0], "b": [0], "../c": [0]})[0].startswith(
        "parameters: arms.../c.[key]: string should match"
    )


@pytest.mark.parametrize("good", ["a", "0", "cifar100-small", "no_augmentation", "a" * 64])
def test_ordinary_names_pass(good):
    assert config.check("train", TRAIN | {"study": good, "arm": good}).arm == good


def test_a_misspelt_parameter_gets_a_suggestion():
    (line,) = mistakes("train", {"epocs": "train.yaml"}, epocs=3)
    assert line == "train.yaml: epocs: unknown parameter; did you mean 'epochs'?"


def test_an_unknown_parameter_gets_the_list():
    (line,) = mistakes("gradcam", qqq=3)
    assert line == "parameters: qqq: unknown parameter; known are " + ", ".join(GRADCAM)


@pytest.mark.parametrize("key", [1, True, None, 1.5, (1, 2)])
def test_a_key_that_is_no_text_is_unknown_and_its_file_is_named(key):
    with pytest.raises(ParameterError, match=re.escape(f"train.yaml: {key}: unknown parameter")):
        config.check("train", TRAIN | {key: 1}, {key: "train.yaml"})


@pytest.mark.parametrize("stage", BASES)
def test_every_parameter_must_be_set(stage):
    with pytest.raises(ParameterError) as caught:
        config.check(stage, {})
    assert str(caught.value).splitlines() == [
        f"parameters: {name}: missing, every parameter must be set"
        for name in config.STAGES[stage].model_fields
    ]
    assert set(config.STAGES[stage].model_fields) == set(BASES[stage])


def test_all_mistakes_are_told_at_once_each_with_its_file():
    origin = {
        "epochs": "train.yaml",
        "momentum": "train.yaml",
        "lr": "arm.yaml",
        "milestones": "arm.yaml",
        "seed": "-p seed",
    }
    lines = mistakes("train", origin, momentum=2, lr=1, milestones=[5], seed=-1, width=0)
    starts = {line.split(": ")[0] + ": " + line.split(": ")[1] for line in lines}
    assert starts == {
        "train.yaml: momentum",
        "arm.yaml: lr",
        "arm.yaml: milestones",
        "-p seed: seed",
        "parameters: width",
    }
    assert len(lines) == 5


def test_a_notebook_hands_over_its_parameters_and_nothing_else():
    names = TRAIN | {"__name__": "__main__", "np": object(), "lr": 3}
    assert config.from_notebook("train", names).model_dump() == TRAIN
    with pytest.raises(ParameterError, match="epochs"):
        config.from_notebook("train", names | {"epochs": "many"})


# --- YAML


@pytest.mark.parametrize(
    "text, value",
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("+1e3", 1e3),
        ("-2e-1", -0.2),
        ("1.5e3", 1500.0),
        ("5.0e-4", 5e-4),
        (".5e1", 5.0),
        ("0.1", 0.1),
        ("1.", 1.0),
        (".5", 0.5),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("0", 0),
        ("-7", -7),
        ("1_000", 1000),
        ("true", True),
        ("no", False),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ("abc", "abc"),
        ('"1"', "1"),
        ("2024-05-06", "2024-05-06"),
        ("2024-05-06 07:08:09", "2024-05-06 07:08:09"),
        ("010", "010"),
        ("12:30", "12:30"),
        ("1:30.5", "1:30.5"),
        ("0x1F", "0x1F"),
        ("1e", "1e"),
        ("1e-3x", "1e-3x"),
    ],
)
def test_scalars_mean_what_they_look_like(text, value):
    read = parse_yaml(f"a: {text}", "file.yaml")["a"]
    assert read == value and type(read) is type(value)


def test_nan_is_read_and_then_refused():
    assert math.isnan(parse_yaml("a: .nan", "")["a"])


@pytest.mark.parametrize(
    "text, where",
    [
        ("seed: 1\narm: a\nseed: 2\n", "seed (line 3)"),
        ("{seed: 1, seed: 1}", "seed (line 1)"),
        ("a:\n  - x: 1\n    x: 2\n", "x (line 3)"),
        ("a: 1\nb: 1\nb: 1\na: 1", "b (line 3), a (line 4)"),
    ],
)
def test_a_key_given_twice_is_refused_with_its_line(text, where):
    with pytest.raises(ParameterError, match=re.escape(f"file.yaml: {where}: given twice")):
        parse_yaml(text, "file.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['touch {path}']",
        "!!python/object/new:os.system ['touch {path}']",
        "a: !!python/name:os.system",
        "a: !!python/module:os",
        "!!python/object/apply:os.system {{args: ['touch {path}']}}",
    ],
)
def test_code_in_yaml_is_refused_and_does_not_run(text, tmp_path):
    with pytest.raises(ParameterError, match="file.yaml: not valid YAML"):
        parse_yaml(text.format(path=tmp_path / "ran"), "file.yaml")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "a: 1\nb",
        "a: \0",
        "? [a]\n: 1",
        "&a {x: *a}",
        "a: *nowhere",
        "<<: {a: 1}",
        "a: !!bool maybe",
        "a: !!int ''",
        "a: !!float ''",
        "a: !!timestamp x",
        "a: !!int x",
        "!!map abc",
        "a: 1\n---\nb: 2",
        "a: " + "9" * 5000,
        "[" * 3000,
    ],
)
def test_broken_yaml_is_one_line_that_names_the_file(text):
    with pytest.raises(ParameterError) as caught:
        parse_yaml(text, "file.yaml")
    assert str(caught.value).startswith("file.yaml: not valid YAML: ") and "\n" not in str(
        caught.value
    )


def test_a_syntax_error_names_the_line():
    with pytest.raises(ParameterError, match="line 2"):
        parse_yaml("a: 1\nb: [", "file.yaml")


@pytest.mark.parametrize(
    "content, says",
    [
        (b"- 1\n- 2\n", "expected 'name: value' lines, found list"),
        (b"text", "found str"),
        (b"\xff\xfe\xfa", "UnicodeDecodeError"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, content, says):
    path = tmp_path / "train.yaml"
    path.write_bytes(content)
    with pytest.raises(ParameterError, match=says) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    missing = tmp_path / "none.yaml"
    with pytest.raises(
        ParameterError, match=re.escape(f"{missing}: cannot be read (FileNotFoundError)")
    ):
        read_yaml(missing)
    with pytest.raises(ParameterError, match="IsADirectoryError"):
        read_yaml(tmp_path)


@pytest.mark.parametrize("content", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_says_nothing(tmp_path, content):
    path = tmp_path / "arm.yaml"
    path.write_text(content, encoding="utf-8")
    assert read_yaml(path) == {}


def test_a_file_is_read_as_utf8_whatever_the_locale(tmp_path):
    path = tmp_path / "report.yaml"
    path.write_bytes("\ufefftitle: Größe – 图".encode())
    assert read_yaml(path) == {"title": "Größe – 图"}


@pytest.mark.parametrize("stage", config.STAGES)
def test_notebooks_show_what_the_library_logs_and_the_report_does_not(stage, monkeypatch):
    shown = []
    monkeypatch.setattr(config, "to_stdout", lambda: shown.append(stage))
    config.from_notebook(stage, BASES[stage])
    assert bool(shown) == (stage != "report")

"""A study is checked before anything of it runs: all stages and arms, and the files they name;
names in make."""

from pathlib import Path

import folder_of_pictures
import numpy as np
import pytest
import torch
import yaml
from project import copied, make, study

from lib.base import artefacts, study_file
from lib.base.config import ParameterError
from lib.data import dataset
from lib.evaluation import failures
from lib.pipeline import command_line, preflight
from lib.report import claims, fonts, ledger

QUICK = "width: 8\nepochs: 1"  # nothing long is trained unasked
CASES = "cases:\n  - {id: 700, hypothesis: a ship}\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(artefacts, "ROOT", tmp_path)
    return tmp_path


def told(place, *arguments, **sections) -> list[str]:
    study(place, "s", *arguments, **sections)
    try:
        preflight.checked(study_file.read("s"))
    except ParameterError as error:
        return str(error).splitlines()
    return []


def test_a_good_study_has_no_mistake(place):
    assert told(place, "", "a b") == told(place, "", "a") == []


def test_mistakes_of_every_stage_and_arm_are_told_at_once_each_once(place):
    lines = told(
        place,
        "epochs: 0",
        "a b",
        compare="{target_risk: 2}",
        gradcam="{shown: 0}",
        after="c",
        data="{source: phantom, test_size: 600}",
    )
    assert [line.split(" (got")[0] for line in lines] == [
        "params/s.yaml: train: epochs: input should be greater than or equal to 1",
        "params/s.yaml: after: before and after must be two of the arms (a, b)",
        "params/s.yaml: gradcam: shown: input should be greater than or equal to 1",
        "params/s.yaml: compare: target_risk: input should be less than 1",
    ]


def test_the_files_that_a_study_names_are_read(place):
    for name, text in (("cases", CASES), ("claims", "claim: []\n")):
        (place / f"{name}.yaml").write_text(text, encoding="utf-8")
    cases, conditions, *of_claims = told(
        place,
        data="{source: phantom, test_size: 600}",
        cases="cases.yaml",
        claims="claims.yaml",
        conditions="[{what: it, path: a.b}]",
    )
    assert cases == "cases.yaml: no test image has id 700"
    assert conditions.startswith("params/s.yaml: conditions, it: give at_least")
    assert "claims.yaml: claim: unknown word; did you mean 'claims'?" in of_claims


def test_the_numbers_of_test_images_are_those_of_the_data_sets():
    assert dataset.SIZES["phantom"] == {"train": 8_000, "val": 2_000, "test": 4_000}
    for name in ("cifar10", "cifar100"):
        assert dataset.SIZES[name] == {"train": 45_000, "val": 5_000, "test": 10_000}


def test_more_images_than_there_are_and_a_device_that_is_not_here_are_one_line(place, capsys):
    study(place, "s", "", "a b", data="{source: cifar10, test_size: 20000}")
    assert command_line.main(["check", "s"]) == 2
    said = capsys.readouterr().err
    assert "s.yaml: test_size: cifar10 has 10000 test images, 20000 were asked for" in said
    absent = next(name for name in ("cuda", "mps") if not _there(name))
    study(place, "s", f"device: {absent}", "a b")
    # runs may be there already, or be trained on other machines
    assert command_line.main(["check", "s", "--begin", "any"]) == 0
    assert command_line.main(["check", "s", "--begin", "short"]) == 2
    said = capsys.readouterr().err
    assert f"device: {absent} was asked for and is not available" in said
    assert said.count("\n") == 1


def _there(name: str) -> bool:
    return {"cuda": torch.cuda, "mps": torch.backends.mps}[name].is_available()


def test_each_notebooks_parameters_are_written_whole_and_only_anew_when_they_change(place):
    path = study(place, "s", QUICK, "a b")
    assert command_line.main(["check", "s"]) == 0
    folder = place / "outputs" / "s"
    files = [folder / arm / "seed-0" / "train.yaml" for arm in "ab"]
    files += sorted(folder.glob("0*.yaml"))
    assert len(files) == 6
    written = yaml.safe_load(files[0].read_text(encoding="utf-8"))
    assert written == study_file.train(study_file.read("s"), "a", 0, "outputs").model_dump()
    times = [file.stat().st_mtime_ns for file in files]
    path.write_text(path.read_text(encoding="utf-8") + "failures: {mined: 3}\n", encoding="utf-8")
    assert command_line.main(["check", "s"]) == 0
    changed = [file.name for file, time in zip(files, times) if file.stat().st_mtime_ns != time]
    assert changed == ["02_failures.yaml"]


def test_make_is_told_the_arms_with_their_seeds(place):
    study(place, "s", QUICK, "a b", seeds="1 2")
    assert command_line.main(["check", "s", "--arms", "b", "--seeds", "7", "8"]) == 0
    fragment = (place / "outputs" / "s" / ".study.mk").read_text(encoding="utf-8").splitlines()
    assert fragment[1] == "ARMS := b" and fragment[-1] == "SEEDS_b := 7 8"
    assert "BROUGHT := " in fragment and "TRAINS_WITH := " in fragment
    assert command_line.main(["check", "s", "--checked", "77"]) == 0
    whole = (place / "outputs" / "s" / ".study.mk").read_text(encoding="utf-8")
    assert whole.endswith("\nCHECKED := 77\n")


def test_a_seed_is_written_as_its_folder_is(place, capsys):
    study(place, "s", QUICK, "a b")
    for seed in ("00", "-1", "1.0", "x"):
        with pytest.raises(SystemExit) as left:
            command_line.main(["check", "s", "--seeds", seed])
        assert left.value.code == 2 and "a seed is a whole number" in capsys.readouterr().err


def test_a_mistake_on_the_command_line_is_one_line_and_status_2(place, capsys):
    study(place, "s", "", "a b")
    for arguments, said in (
        (["check", "t"], "no study 't'"),
        (["check", "s", "--arms", "c"], "params/s.yaml: no arm c"),
        (["run", "s", "train", "--arm", "a", "--seed", "3"], "no run of arm 'a' and seed 3"),
        (["conditions", "s"], "results.json"),
    ):
        assert command_line.main(arguments) == 2, arguments
        error = capsys.readouterr().err
        assert said in error and len(error.splitlines()) == 1


def test_verbs_are_listed_and_each_says_what_it_takes(capsys):
    assert command_line.main([]) == command_line.main(["--help"]) == 0
    assert command_line.main(["fly"]) == 2
    listed = capsys.readouterr().out
    for verb in command_line.VERBS:
        assert f"  {verb} " in listed
        with pytest.raises(SystemExit) as left:
            command_line.main([verb, "--help"])
        assert left.value.code == 0 and f"python -m lib {verb}" in capsys.readouterr().out


def test_a_new_study_is_one_that_passes_and_says_all_that_it_may_say(place, monkeypatch):
    assert command_line.main(["new", "mine"]) == 0
    text = (place / "params" / "mine.yaml").read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 100
    read = study_file.read("mine")
    assert study_file.train(read, "cutmix", 42, "o").cutmix_probability == 0.5
    for names in study_file.SECTIONS.values():
        assert all(f" {name}: " in text for name in names)
    # uncommented, the defaults say what they are
    lines = [line.removeprefix("# ") for line in text.splitlines() if not line.startswith("# A ")]
    whole = "\n".join(line for line in lines if not line.startswith("`") and "milest" not in line)
    (place / "params" / "whole.yaml").write_text(
        "\n".join(line for line in whole.splitlines() if line[:1] != "#"), encoding="utf-8"
    )
    assert study_file.train(study_file.read("whole"), "cutmix", 42, "o").epochs == 50
    assert command_line.main(["new", "mine"]) == 2


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copied(tmp_path_factory.mktemp("project"))


@pytest.mark.slow
def test_make_checks_the_study_first_and_again_when_it_changes(project):
    path = study(project, "late", "titel: x", "a b")
    result = make(project, "report", "STUDY=late")
    assert result.returncode == 2 and "params/late.yaml: train: titel: unknown" in result.stderr
    assert "late did not pass the check: nothing was begun" in result.stderr
    assert "Traceback" not in result.stderr and not (project / "outputs" / "late" / "a").exists()
    study(project, "late", QUICK, "a b")
    fragment = project / "outputs" / "late" / ".study.mk"
    assert make(project, "-n", "train", "STUDY=late").returncode == 0 and fragment.is_file()
    assert make(project, "-n", "train", "STUDY=late").stdout.count("lib run late train") == 2
    path.write_text(path.read_text(encoding="utf-8") + "after: c\n", encoding="utf-8")
    result = make(project, "train", "STUDY=late")
    assert result.returncode == 2 and "lib run" not in result.stdout


@pytest.mark.slow
def test_arms_and_seeds_on_the_command_line_win(project):
    plan = make(project, "-n", "report", "STUDY=smoke", "ARMS=cutmix", "SEEDS=3 4").stdout
    assert "--arm cutmix --seed 3" in plan and "--arm cutmix --seed 4" in plan
    assert "--arm baseline" not in plan and plan.count("--arms cutmix --seeds 3 4") == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    "words, said",
    [
        (["clean", "report"], "make clean by itself, and the rest after it"),
        (["train", "ON=Dask"], 'ON: got "Dask"; allowed: dask'),
    ],
)
def test_what_make_cannot_do_at_once_is_refused(project, words, said, tmp_path):
    result = make(project, *words, "STUDY=smoke", f"OUTPUTS={tmp_path}")
    assert result.returncode == 2 and said in result.stderr and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_file_of_a_study_that_does_not_pass_the_check_is_not_up_to_date(project):
    study(project, "wrong", "titel: x", "a b")
    made = project / "outputs" / "wrong" / "report.pdf"
    made.parent.mkdir(parents=True)
    made.write_text("")
    assert make(project, "outputs/wrong/report.pdf", "STUDY=wrong").returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("goal", ["help", "clean", "lab"])
def test_goals_without_arms_check_nothing(project, goal, tmp_path):
    result = make(project, "-n", goal, "STUDY=smoke", f"OUTPUTS={tmp_path}")
    assert result.returncode == 0 and not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, value",
    [
        ("STUDY", "../x"),
        ("STUDY", "%"),
        ("STUDY", "smoke phantom"),
        ("STUDY", ""),
        ("STUDY", "a;touch ran"),
        ("STUDY", "Smoke"),
        ("OUTPUTS", "a b"),
        ("OUTPUTS", "it's"),
        ("DATA", "a b"),
    ],
)
def test_names_that_are_more_than_names_are_refused_by_make(project, name, value):
    result = make(project, "-n", "train", "STUDY=smoke", f"{name}={value}")
    assert result.returncode == 2 and "lib " not in result.stdout, result
    assert f'"{value}"' in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("verb, name", [("distclean", "OUTPUTS"), ("setup", "VENV")])
@pytest.mark.parametrize("value", ["", "a b", "a:b", "%", "a;b", "a$b", "~/a", "a#b", "a*", "a\\b"])
def test_a_folder_whose_name_make_cannot_hold_or_that_is_none_at_all_is_refused(
    project, verb, name, value
):
    result = make(project, "-n", verb, f"{name}={value}")
    assert result.returncode == 2 and result.stdout.count("rm ") == 0, result
    assert f"{name}: make needs one word" in result.stderr and f'got "{value}"' in result.stderr


@pytest.mark.slow
def test_names_that_yaml_would_take_for_something_else_stay_names(project):
    study(project, "2024", "", '"no"')
    plan = make(project, "-n", "train", "STUDY=2024", "OUTPUTS=123")
    assert plan.returncode == 0 and "lib run 2024 train --arm no --seed 0" in plan.stdout
    written = (project / "123" / "2024" / "no" / "seed-0" / "train.yaml").read_text()
    values = yaml.safe_load(written)
    assert (values["study"], values["outputs"], values["arm"]) == ("2024", "123", "no")


def test_every_study_of_the_project_passes():
    for name in study_file.names():
        preflight.checked(study_file.read(name))


def test_an_assignment_starts_with_cases_and_claims_that_the_report_can_read(place):
    assert command_line.main(["new", "mine", "--assignment"]) == 0
    read = study_file.read("mine")
    preflight.checked(read)
    one, other = (study_file.train(read, arm, 42, "o").model_dump() for arm in read.arms)
    assert [name for name in one if one[name] != other[name]] == ["arm", "cutmix_probability"]
    assert one["data"] == "cifar10" and one["epochs"] <= 50 and read.seeds["baseline"] == [42]
    assert study_file.view(read, "report", "o").brief
    cases = place / read.content.cases
    assert failures.read_cases(cases, np.arange(3)).empty
    cases.write_text(cases.read_text(encoding="utf-8").replace("#  -", "  -"), encoding="utf-8")
    assert failures.read_cases(cases, np.arange(3))["id"].tolist() == [0, 1, 2]


def test_the_claims_of_an_assignment_are_judged(place):
    command_line.main(["new", "mine", "--assignment"])
    known = claims.read_claims("params/claims/mine.yaml")
    results = {
        "failures": {"test_images": 10_000},
        "compare": {
            "accuracy_change": {"estimate": 0.03, "low": 0.02, "high": 0.04},
            "arms": {"baseline": {"test_accuracy": {"mean": 0.7, "sd": None, "n": 1}}},
            "confident_errors": [
                {"arm": "baseline", "≥ 90%": 400.0},
                {"arm": "remedy", "≥ 90%": 500.0},
            ],
        },
    }
    verdicts = dict(ledger.judge(known, results)[["id", "verdict"]].to_numpy())
    assert verdicts == {
        "remedy-is-more-accurate": "reproduced",
        "baseline-accuracy": "not reproduced",
        "fewer-confident-errors": "contradicted",
    }


@pytest.mark.parametrize("folder", ["", "cases/", "claims/"])
def test_an_assignment_writes_over_nothing(place, folder, capsys):
    there = place / "params" / folder / "mine.yaml"
    there.parent.mkdir(parents=True)
    there.write_text("mine", encoding="utf-8")
    assert command_line.main(["new", "mine", "--assignment"]) == 2
    assert capsys.readouterr().err == f"params/{folder}mine.yaml is there already\n"
    assert there.read_text("utf-8") == "mine" and len(list(place.rglob("*.yaml"))) == 1


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of pictures of two classes, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder_of_pictures.write(tmp_path / "photos", {"train": 8, "test": 2}, 2, (40,))


def of(photos, size: int = 0) -> str:
    return f"{{source: folder, root: '{photos}', image_size: 32, test_size: {size}}}"


@pytest.mark.parametrize(
    "spoil, says",
    [
        (lambda root: next(root.glob("train/*/000.png")).write_bytes(b""), "an empty file"),
        (lambda root: next(root.glob("test/*/001.png")).write_bytes(b"x"), "not a readable"),
        (lambda root: next(root.glob("test/*")).rename(root / "test" / "other"), "missing ["),
        (lambda root: [path.unlink() for path in root.glob("train/*/00[1-9]*")], "too few"),
        (lambda root: None, "folder has 4 test images, 9 were asked for"),
    ],
    ids=["empty", "no picture", "another class", "too few", "too many asked for"],
)
def test_pictures_that_a_training_would_fail_on_are_told_first(place, photos, spoil, says):
    spoil(photos)
    (line,) = told(place, "", "a b", data=of(photos, 9 if "asked" in says else 0))
    assert says in line


@pytest.mark.parametrize(
    "section, content, says",
    [
        ("metadata", "name,camera\na,b\n", "one column must be called id"),
        ("metadata", "id,camera\n0.png,b\n", "no id is a test picture's: '0.png' in the file"),
        ("metadata", None, "cannot be read"),
        ("outside", None, "no such folder, or no picture"),
        ("outside", "", "no such folder, or no picture"),
    ],
    ids=["no ids", "ids of others", "no file", "no folder", "a file"],
)
def test_what_only_the_comparison_reads_is_read_first(place, photos, section, content, says):
    if content is not None:
        (place / "more").write_text(content)
    (line,) = told(place, "", "a b", data=f"{of(photos)[:-1]}, {section}: more}}")
    assert says in line


@pytest.mark.parametrize(
    "sections, read",
    [
        ({"data": "{source: phantom, metadata: m.csv}"}, {"READS": ["m.csv"]}),
        ({"data": "{source: phantom, outside: away}"}, {"READS": ["away"]}),
        (
            {"claims": "claims.yaml", "cases": "cases.yaml"},
            {"READS": ["cases.yaml"], "CLAIMS": ["claims.yaml"]},
        ),
        (
            {"train": "{network: 'mine:make'}"},
            {"TRAINS_WITH": ["params/mine.py"]},
        ),
    ],
    ids=["metadata", "outside", "claims and cases", "code of a network"],
)
def test_make_knows_by_content_whatever_a_study_reads(place, sections, read):
    study(place, "s", **sections)
    (place / "params" / "mine.py").write_text(
        "import torch\n\n\ndef make(num_classes):\n    return torch.nn.Linear(3, num_classes)\n"
    )
    known = preflight._read_by(study_file.read("s"))
    known["TRAINS_WITH"] = [str(Path(one).relative_to(place)) for one in known["TRAINS_WITH"]]
    assert known == {"TRAINS_WITH": [], "READS": [], "CLAIMS": []} | read


@pytest.mark.slow
@pytest.mark.parametrize("name", ["0", "1e3", "true", "null"])
def test_a_name_of_a_class_that_yaml_takes_for_more_is_asked_to_be_quoted(place, name):
    path = study(place, "s")
    arm = f"{{network: 'a:b', mean: 0.5, std: 0.5, classes: [cat, {name}]}}"
    text = path.read_text().replace("  baseline:", f"  baseline: {arm}")
    path.write_text(text)
    with pytest.raises(ParameterError, match="classes.1: .* need quotes"):
        preflight.checked(study_file.read("s"))
    path.write_text(text.replace(name, f"'{name}'"))
    with pytest.raises(ParameterError) as caught:
        preflight.checked(study_file.read("s"))
    assert "quotes" not in str(caught.value)


def test_classes_that_may_be_one_are_told_first(place, photos, caplog):
    for split in ("train", "test"):
        one, other = sorted((photos / split).iterdir())
        one.rename(photos / split / other.name.upper())
    assert told(place, data=of(photos)) == []
    (line,) = [line for line in caplog.messages if "look alike" in line]
    assert ascii(other.name.upper()) in line and ascii(other.name) in line


@pytest.mark.parametrize("name, odd", [("日本語の花", "の"), ("🐈", "🐈")])
def test_a_name_that_no_font_writes_is_told_first(place, photos, monkeypatch, caplog, name, odd):
    monkeypatch.setattr(fonts.font_manager, "findSystemFonts", list)
    fonts._beyond.cache_clear()
    for split in ("train", "test"):
        next((photos / split).iterdir()).rename(photos / split / name)
    assert told(place, data=of(photos)) == []
    (line,) = [line for line in caplog.messages if "no font" in line]
    assert repr(name) in line and odd in line
    fonts._beyond.cache_clear()

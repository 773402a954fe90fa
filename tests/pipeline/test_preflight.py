"""A study is checked before anything of it runs: all stages and arms, and the files they name;
names in make."""

from pathlib import Path

import pytest
from project import copied, make, study

from lib.base import artefacts
from lib.pipeline import preflight

ALL = {
    "failures": "before: a\nafter: b\n",
    "gradcam": "before: a\nafter: b\n",
    "compare": "before: a\nafter: b\n",
    "report": "before: a\nafter: b\n",
}
CASES = "cases:\n  - {id: 700, hypothesis: a ship}\n"


def told(tmp_path, train="", arms="a b", values=(), **files):
    study(tmp_path, "s", train, arms, **ALL | files)
    given = {
        "study": "s",
        "outputs": "o",
        "runs": "o/s",
        "arms": f"[{arms.replace(' ', ', ')}]",
        "seeds": "[0]",
    } | dict(values)
    return preflight.mistakes(tmp_path / "params" / "s", list(given.items()))


def test_a_good_study_has_no_mistake_and_so_have_the_projects(tmp_path):
    assert told(tmp_path) == []


def test_mistakes_of_every_stage_and_arm_are_told_at_once_each_once(tmp_path):
    folder = tmp_path / "params" / "s"
    lines = told(
        tmp_path,
        "epochs: 0\n",
        compare=ALL["compare"] + "target_risk: 2\n",
        gradcam=ALL["gradcam"] + "layers: layer4\n",
        report="before: a\nafter: c\n",
    )
    assert [line.split(" (got")[0] for line in lines] == [
        f"{folder}/train.yaml: epochs: input should be greater than or equal to 1",
        f"{folder}/gradcam.yaml: layers: unknown parameter; did you mean 'layer'?",
        f"{folder}/compare.yaml: target_risk: input should be less than 1",
        f"{folder}/report.yaml: after: before and after must be two of the arms (a, b)",
    ]


def test_one_arm_is_held_against_nothing(tmp_path):
    lines = told(tmp_path, arms="a", **{stage: "before: a\nafter: a\n" for stage in ALL})
    assert len(lines) == 4 and all(
        "after: with one arm (a) before must be that arm and after must be ''" in line
        for line in lines
    )
    make_gives = {"before": "a", "after": "''"}.items()
    (tmp_path / "one").mkdir()
    assert told(tmp_path / "one", arms="a", values=make_gives) == []


def test_the_files_that_a_study_names_are_read(tmp_path):
    for name, text in (
        ("cases", CASES),
        ("claims", "claim: []\n"),
        ("conditions", "conditions:\n  - {what: it, path: a.b}\n"),
    ):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    lines = told(
        tmp_path,
        "test_size: 600\n",
        failures=ALL["failures"] + f"cases: {tmp_path}/cases.yaml\n",
        report=ALL["report"]
        + f"claims: {tmp_path}/claims.yaml\nconditions: {tmp_path}/conditions.yaml\n",
    )
    assert any(line == f"{tmp_path}/cases.yaml: no test image has id 700" for line in lines)
    assert any(
        line.startswith(f"{tmp_path}/claims.yaml: claim: unknown word; did you mean 'claims'?")
        for line in lines
    )
    assert any(
        line.startswith(f"{tmp_path}/conditions.yaml: conditions, it: give at_least")
        for line in lines
    )


def test_the_numbers_of_test_images_are_those_of_the_data_sets():
    assert preflight.TEST_IMAGES == {
        "phantom": 4_000,
        "cifar10": 10_000,
        "cifar100": 10_000,
    } and all(path.is_file() for path in preflight.NOTEBOOKS.values())


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copied(tmp_path_factory.mktemp("project"))


@pytest.mark.slow
def test_make_checks_the_study_first_and_a_good_one_only_once(project):
    study(project, "late", "", "a b", **ALL | {"report": "before: a\nafter: b\ntitel: x\n"})
    result = make(project, "report", "STUDY=late")
    assert (
        result.returncode == 2
        and "params/late/report.yaml: titel: unknown parameter; did you mean 'title'?"
        in result.stderr
    )
    assert "Traceback" not in result.stderr and not (project / "outputs" / "late" / "a").exists()
    (project / "params" / "late" / "report.yaml").write_text(ALL["report"], encoding="utf-8")
    checked = make(project, "-n", "report", "STUDY=late").stdout.split("touch '")[1].split("'")[0]
    assert make(project, checked, "STUDY=late").returncode == 0 and (project / checked).is_file()
    assert "lib.pipeline.preflight" not in make(project, "-n", "report", "STUDY=late").stdout
    (project / "params" / "late" / "report.yaml").write_text(
        ALL["report"] + "title: y\n", encoding="utf-8"
    )
    assert "lib.pipeline.preflight" in make(project, "-n", "report", "STUDY=late").stdout


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
        ("ARMS", "../x"),
        ("ARMS", "a%"),
        ("SEEDS", "0;touch"),
    ],
)
def test_names_that_are_more_than_names_are_refused_by_make(project, name, value):
    result = make(project, "-n", "train", "STUDY=smoke", f"{name}={value}")
    assert (
        result.returncode == 2 and f'"{value}"' in result.stderr and "lib." not in result.stdout
    ), result
    # the name itself is refused, not only that there is no such study
    assert f"{name}: " in result.stderr or not value


@pytest.mark.slow
@pytest.mark.parametrize("verb, name", [("distclean", "OUTPUTS"), ("setup", "VENV")])
@pytest.mark.parametrize("value", ["", "a b", "a:b", "%", "a;b", "a$b", "~/a", "a#b", "a*", "a\\b"])
def test_a_folder_whose_name_make_cannot_hold_or_that_is_none_at_all_is_refused(
    project, verb, name, value
):
    result = make(project, "-n", verb, f"{name}={value}")
    assert result.returncode == 2 and result.stdout.count("rm ") == 0, result
    assert (
        f"{name}: make needs the name of one folder" in result.stderr
        and f'got "{value}"' in result.stderr
    )


@pytest.mark.slow
def test_names_that_yaml_would_take_for_something_else_stay_names(project):
    study(project, "2024", "", "no")
    assert (
        make(
            project, "123/2024/.checked", "STUDY=2024", "OUTPUTS=123", "CHECKED=123/2024/.checked"
        ).returncode
        == 0
    )


@pytest.mark.slow
def test_a_study_whose_own_names_are_odd_is_refused(project):
    study(project, "odd", "", "baseline")
    (project / "params" / "odd" / "study.mk").write_text(
        "ARMS := baseline a/../b\nSEEDS := 0\n", encoding="utf-8"
    )
    assert (
        'ARMS: "baseline a/../b" holds more than names'
        in make(project, "-n", "train", "STUDY=odd").stderr
    )


def test_every_study_of_the_project_passes():
    for folder in sorted(path.parent for path in artefacts.ROOT.glob("params/*/study.mk")):
        words = {
            name: value.split()
            for name, value in (
                line.split(":=")
                for line in (folder / "study.mk").read_text(encoding="utf-8").splitlines()
                if ":=" in line
            )
            for name in [name.strip()]
        }
        values = {
            "study": folder.name,
            "outputs": "o",
            "runs": "o/s",
            "arms": str(words["ARMS"]),
            "seeds": f"[{', '.join(words['SEEDS'])}]",
        }
        assert preflight.mistakes(Path(folder), list(values.items())) == [], folder

"""The Makefile in the dialect of GNU make 3.81 and of BSD's tools, what it knows by content, and
what of a shell or an environment it believes."""

import re
import subprocess

import pytest
from project import ROOT, command, copied, environment, make, study

TEXT = "\n".join(
    path.read_text(encoding="utf-8") for path in (ROOT / "Makefile", *ROOT.glob("tools/*.mk"))
)
# after make 3.81 (2006), or of GNU's tools alone
YOUNGER = {
    "&: targets": r"&:",
    "file function": r"\$\(file ",
    "let and intcmp": r"\$\((let|intcmp) ",
    "!= assignment": r"^\w+ *!=",
    "::= assignment": r"::=",
    "in-place sed": r"\bsed -i",
    "sed -r": r"\bsed -r",
    "readlink -f": r"\breadlink -f",
    "realpath": r"\brealpath ",
    "cp of GNU": r"\bcp (-[a-zA-Z]*[atu]|--)",
    "mktemp of GNU": r"\bmktemp (-[a-zA-Z]*[p]|--)",
    "grep -P": r"\bgrep -[a-zA-Z]*P",
    "long options": r"\b(sed|cp|grep|rm|mkdir|expand|cksum|touch) --",
}


@pytest.mark.parametrize("what", YOUNGER)
def test_nothing_is_younger_than_make_3_81_or_gnus_alone(what):
    assert not re.search(YOUNGER[what], TEXT, re.M)


def test_the_shells_rules_do_not_lean_on_a_variable_that_3_81_ignores():
    assert re.search(r"^SHELL := /bin/bash -p$", TEXT, re.M)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copied(tmp_path_factory.mktemp("project"))


def test_a_start_up_file_of_the_shells_reaches_no_recipe(project, tmp_path):
    (tmp_path / "startup").write_text("echo leaked; exit 3\n")
    words = command(project, "help")
    result = subprocess.run(
        words, capture_output=True, text=True, env=environment(BASH_ENV=str(tmp_path / "startup"))
    )
    assert result.returncode == 0 and "leaked" not in result.stdout


def test_an_environment_whose_python_does_not_start_is_not_done(project, tmp_path):
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    number = subprocess.run(
        "cksum < requirements.txt", shell=True, cwd=project, capture_output=True, text=True
    ).stdout.split()[0]
    (venv / f".lock-{number}").touch()
    (venv / "bin" / "python").symlink_to("/nowhere/python")
    plan = subprocess.run(
        ["make", "-C", str(project), "-n", "setup", f"VENV={venv}"],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert "environment.py fill" in plan.stdout


@pytest.mark.slow
def test_a_picture_that_changes_is_seen_by_make(project, tmp_path):
    import folder_of_pictures

    photos = folder_of_pictures.write(tmp_path / "pho tos", {"train": 4, "test": 2})
    study(project, "photos", data=f"{{source: folder, root: '{photos}'}}")

    def witness():
        plan = make(project, "-n", "train", "STUDY=photos", XDG_CACHE_HOME=str(tmp_path / "c"))
        assert plan.returncode == 0, plan.stderr
        return re.findall(r"pictures-\w{16}", plan.stdout)[-1:]

    before = witness()
    assert before and witness() == before
    picture = next((photos / "train").glob("*/000.png"))
    picture.rename(picture.with_name("999.png"))
    assert witness() not in (before, [])


@pytest.mark.slow
def test_claims_are_known_by_content_and_those_of_another_study_rerun_nothing(project):
    claims = project / "params" / "claims" / "own.yaml"
    text = (
        "claims:\n  - id: one\n    statement: {}\n    only_at: []\n    tests:\n"
        "      - {{measured: study.width, holds_if: {{is: 8}}}}\n"
    )
    claims.write_text(text.format("It is narrow."), encoding="utf-8")
    few = "{source: phantom, train_size: 60, val_size: 40, test_size: 40}"
    own = {"data": few, "claims": "params/claims/own.yaml"}
    study(project, "claimed", "epochs: 1\nmilestones: []\nwidth: 8", **own)

    def witnesses():
        plan = make(project, "-n", "report", "STUDY=claimed")
        assert plan.returncode == 0, plan.stderr
        return [re.findall(rf"\.{what}-\w+", plan.stdout)[-1:] for what in ("claims", "lookups")]

    (stated, looked_up) = before = witnesses()
    assert stated and looked_up
    (project / "params" / "claims" / "others.yaml").write_text(text.format("Another."))
    assert witnesses() == before
    assert "claims/" not in "".join(re.findall(r"^\$\(VIEWS\).*$", TEXT, re.M))
    claims.write_text(text.format("It is slim."), encoding="utf-8")
    other = witnesses()
    assert other[0] != stated and other[1] == looked_up
    # and what is wrong with it is said before anything runs
    claims.write_text(text.format("It.").replace("holds_if", "holdz_if"), encoding="utf-8")
    plan = make(project, "report", "STUDY=claimed")
    assert (
        plan.returncode == 2
        and "did you mean 'holds_if'?" in plan.stderr
        and "lib run" not in plan.stdout
    )


@pytest.mark.slow
def test_seeds_of_the_users_surroundings_are_none_of_ours(project):
    plan = make(project, "-n", "train", "STUDY=smoke", "RETRAIN=1", SEEDS="7")
    assert plan.returncode == 0 and "--seed 0" in plan.stdout and "--seed 7" not in plan.stdout


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["a b", "a#b", "a:b", "a$b"])
def test_brought_files_may_lie_anywhere(project, tmp_path, folder):
    place = tmp_path / folder
    place.mkdir()
    rows = [
        f"{split},{split}{row},{int(row) % 2},0.6,0.4" for split in ("val", "test") for row in "123"
    ]
    (place / "p.csv").write_text("\n".join(["split,id,label,0,1", *rows, ""]), encoding="utf-8")
    path = study(project, "told", data="{source: none}")
    text = path.read_text(encoding="utf-8").split("arms:")[0].replace("seeds: [0]\n", "")
    path.write_text(f"{text}arms:\n  theirs: {{predictions: '{place}/p.csv'}}\n", encoding="utf-8")

    def witness():
        plan = make(project, "-n", "report", "STUDY=told")
        assert plan.returncode == 0, plan.stderr
        return re.findall(r"\.lookups-\w+", plan.stdout)[-1:]

    before = witness()
    (place / "p.csv").write_text("\n".join(["split,id,label,0,1", *rows[::-1], ""]))
    assert before and witness() != before

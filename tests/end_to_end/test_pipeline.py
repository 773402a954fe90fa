"""The Makefile, end to end, on a copy of the project in a folder whose name has blanks and letters
beyond ASCII."""

import json
import shutil

import hostile
import nbformat
import pypdf
import pytest
from project import copied, make, study

# the whole smoke study is what nbval runs
LESS = """\
title: Smoke run on the phantom
data: {source: phantom, train_size: 600, val_size: 200, test_size: 200}
train:
  {width: 8, epochs: 2, milestones: [1], batch_size: 50, learning_rate: 0.05, precision: fp32}
arms:
  baseline:
  cutmix: {cutmix_probability: 0.5, label_smoothing: 0.1}
seeds: [0]
failures: {mined: 6}
gradcam: {shown: 2, diagnosed: 1, probed: 8, planted: 0}
compare: {target_risk: 0.4, bootstrap_draws: 100, corruption_images: 10}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = copied(tmp_path_factory.mktemp("a b é"))
    (folder / "params" / "smoke.yaml").write_text(LESS, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def finished(project):
    """The smoke study, smaller still, made from nothing."""
    result = make(project, "report", "STUDY=smoke", REPORT_TIMES="0")
    assert result.returncode == 0, result.stdout + result.stderr
    return project / "outputs" / "smoke"


def shown(study):
    """The bytes of all that a study gives its readers, by the place in its folder; the executed
    notebooks, which tell the time, are left out, and the runs."""
    kinds = {".html", ".pdf", ".png", ".svg", ".csv", ".json", ".md"}
    return {
        str(path.relative_to(study)): path.read_bytes()
        for path in study.rglob("*")
        if path.suffix in kinds and "seed-0" not in path.parts
    }


def test_all_of_a_users_settings_at_once_change_no_byte(finished, tmp_path):
    other = copied(tmp_path / "ein Ort für 图")
    shutil.copy2(finished.parents[1] / "params" / "smoke.yaml", other / "params")
    settings = hostile.surroundings(tmp_path) | {"REPORT_TIMES": "0"}
    study = other / "outputs" / "smoke"

    result = make(other, "train", "STUDY=smoke", "ARMS=baseline", **settings)
    assert result.returncode == 0, result.stdout + result.stderr
    for name in ("model.safetensors", "predictions.npz"):
        run = f"baseline/seed-0/{name}"
        assert (study / run).read_bytes() == (finished / run).read_bytes()

    # a run's seconds stand in the report: it is made of the same runs
    for arm in ("baseline", "cutmix"):
        shutil.copytree(finished / arm, study / arm, dirs_exist_ok=True)
    result = make(other, "report", "STUDY=smoke", **settings)
    assert result.returncode == 0, result.stdout + result.stderr
    here, there = shown(finished), shown(study)
    assert here.keys() == there.keys() > {"report.html", "report.pdf", "results.json"}
    assert not [name for name, content in here.items() if there[name] != content]


def test_the_report_says_what_the_study_found(finished):
    results = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    accuracy = results["compare"]["arms"]["baseline"]["test_accuracy"]["mean"]
    pages = "".join(page.extract_text() for page in pypdf.PdfReader(finished / "report.pdf").pages)
    html = (finished / "report.html").read_text(encoding="utf-8")
    for text in (" ".join(pages.split()), html):
        assert f"{accuracy:.1%}" in text and "Smoke run on the phantom" in text
        assert all(f"Figure {number}" in text for number in range(1, 11)) and "Table 4" in text


def test_every_run_and_stage_left_what_it_promises(finished):
    for arm in ("baseline", "cutmix"):
        names = {
            path.name
            for path in (finished / arm / "seed-0").iterdir()
            if not path.name.startswith(".")
        }
        assert names >= {
            "train.ipynb",
            "model.safetensors",
            "history.csv",
            "predictions.npz",
            "run.json",
        }
    assert (
        not list(finished.rglob("*.part.ipynb"))
        + list(finished.rglob("*.tmp"))
        + list(finished.rglob("checkpoint*"))
    )
    record = json.loads((finished / "cutmix" / "seed-0" / "run.json").read_text(encoding="utf-8"))
    assert (
        record["share_that_differs_between_two_readings"]["val"]
        == 0
        < record["share_that_differs_between_two_readings"]["train"]
    )
    assert record["mixed_batches"] > 0 and 0 < record["mean_lambda"] < 1


def test_a_second_make_does_nothing(finished, project):
    assert make(project, "-q", "report", "STUDY=smoke").returncode == 0
    said = [
        line
        for line in make(project, "report", "STUDY=smoke").stdout.splitlines()
        if not line.startswith("make")
    ]
    assert said == ["outputs/smoke/report.html", "outputs/smoke/report.pdf"]
    assert "smoke/report.html" in (finished.parent / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "changed, reruns, spares",
    [
        ("lib/report/style.py", "smoke compare", "smoke train"),
        ("lib/export/notebook.py", "-m lib.export ", "smoke report"),
        ("lib/training/loop.py", "smoke train", None),
        ("lib/diagnosis/probes.py", "smoke gradcam", "smoke train"),
        ("outputs/smoke/cutmix/seed-0/train.yaml", "--arm cutmix", "--arm baseline"),
        ("outputs/smoke/04_compare.yaml", "smoke compare", "smoke gradcam"),
        ("notebooks/05_report.ipynb", "smoke report", "smoke compare"),
        ("requirements.txt", None, "smoke train"),
    ],
)
def test_a_change_reruns_what_depends_on_it(finished, project, changed, reruns, spares):
    plan = make(project, "-n", "report", "STUDY=smoke", "-W", changed).stdout.replace("'", "")
    assert reruns is None or reruns in plan
    assert spares is None or spares not in plan


def test_a_failed_stage_stops_with_its_notebook_kept(finished, project):
    notebook = project / "notebooks" / "04_compare.ipynb"
    good = notebook.read_bytes()
    broken = nbformat.reads(good.decode(), as_version=4)
    broken.cells[2].source = "raise RuntimeError('the disk is on fire')"
    nbformat.write(broken, notebook)
    try:
        result = make(project, "report", "STUDY=smoke")
        assert result.returncode != 0
        assert "the disk is on fire" in result.stderr and "Traceback" not in result.stderr
        assert (finished / "04_compare.part.ipynb").exists()
        assert make(project, "-q", "report", "STUDY=smoke").returncode == 1  # still not done
    finally:
        notebook.write_bytes(good)


def test_bad_parameters_are_one_clear_line(project):
    study(project, "broken", "epochs: 2\nepochs: 3", "baseline cutmix")
    result = make(project, "outputs/broken/cutmix/seed-0/train.ipynb", "STUDY=broken")
    assert result.returncode != 0
    message = [text for text in result.stderr.splitlines() if not text.startswith("make")]
    assert len(message) == 2, result.stderr
    assert "given twice" in message[0] and "params/broken.yaml" in message[0]
    assert not (project / "outputs" / "broken" / "cutmix" / "seed-0" / "train.ipynb").exists()


def test_an_unknown_study_is_named_with_those_there_are(project):
    result = make(project, "report", "STUDY=nope")
    assert result.returncode != 0 and '"nope"' in result.stderr and "phantom" in result.stderr


def test_missing_data_offline_is_one_clear_line(project, tmp_path):
    nowhere = "http://127.0.0.1:9"  # refused at once: as offline as it gets
    result = make(
        project,
        "train",
        "STUDY=cifar100-small",
        f"DATA={tmp_path}",
        "JOBS=1",
        http_proxy=nowhere,
        https_proxy=nowhere,
        HTTP_PROXY=nowhere,
        HTTPS_PROXY=nowhere,
    )
    assert result.returncode != 0
    assert (
        "cifar-100-python" in result.stderr
        and "train, test, meta" in result.stderr
        and "phantom" in result.stderr
    )
    assert "Traceback" not in result.stderr
    assert not list((project / "outputs" / "cifar100-small").rglob("run.json"))


def test_clean_takes_one_study_and_leaves_the_others_in_the_index(project):
    folder = project / "cleaned"
    for name in ("smoke", "other"):
        (folder / name).mkdir(parents=True)
        (folder / name / "report.html").write_text("a report", encoding="utf-8")
    for name, index in (("smoke", True), ("phantom", False)):
        assert make(project, "clean", f"STUDY={name}", "OUTPUTS=cleaned").returncode == 0
        assert not (folder / "smoke").exists() and (folder / "index.html").exists() == index
        assert not index or (
            "other/report.html" in (page := (folder / "index.html").read_text(encoding="utf-8"))
            and "smoke" not in page
        )
        shutil.rmtree(folder / "other", ignore_errors=True)
    assert not (folder / "index.html").exists()


def test_help_is_the_default_and_lists_every_verb(project):
    result = make(project)
    assert result.returncode == 0
    for verb in ("report", "check", "data", "test", "lab", "clean", "distclean"):
        assert f"\n  {verb} " in result.stdout

"""A study is one file: what it need not say, what it may not, and that every mistake is one line
with file, section and name."""

import re
from pathlib import Path

import pytest
import yaml
from parameters import parameters_cell
from project import study

from lib.base import artefacts, config, study_file
from lib.base.config import STAGES, ParameterError


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(artefacts, "ROOT", tmp_path)
    return tmp_path


def written(project, text: str, name: str = "s"):
    (project / "params").mkdir(exist_ok=True)
    (project / "params" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return study_file.read(name)


LEAST = "title: It\ndata: {source: phantom}\narms: {baseline: }\n"


def told(project, text: str) -> list[str]:
    """The mistakes of a file, in its shape or in the parameters of any notebook."""
    lines = []
    try:
        read = written(project, text)
    except ParameterError as error:
        return str(error).splitlines()
    for make in [lambda arm=arm: study_file.train(read, arm, 1, "o") for arm in read.arms] + [
        lambda stage=stage: study_file.view(read, stage, "o") for stage in list(STAGES)[1:]
    ]:
        try:
            make()
        except ParameterError as error:
            lines += str(error).splitlines()
    return list(dict.fromkeys(lines))


def test_a_study_of_three_lines_is_the_original_recipe(project):
    read = written(project, LEAST)
    p = study_file.train(read, "baseline", 42, "outputs")
    assert (p.width, p.epochs, p.milestones, p.batch_size, p.learning_rate) == (
        64,
        50,
        [25, 40],
        128,
        0.1,
    )
    assert (p.momentum, p.weight_decay, p.augment, p.label_smoothing) == (0.9, 5e-4, True, 0.0)
    assert read.seeds == {"baseline": [42]}
    view = study_file.view(read, "report", "outputs")
    assert (view.before, view.after, view.runs) == ("baseline", "", "outputs/s")
    assert (view.title, view.claims, view.conditions) == ("It", "", [])


@pytest.mark.parametrize("said", ["", " {}", " null", " {seeds: [42]}"])
def test_an_arm_that_says_nothing_is_the_recipe(project, said):
    read = written(project, f"title: It\ndata: {{source: phantom}}\narms:\n  baseline:{said}\n")
    assert study_file.train(read, "baseline", 42, "o") == study_file.train(
        written(project, LEAST), "baseline", 42, "o"
    )


@pytest.mark.parametrize(
    "epochs, milestones",
    [(1, []), (2, [1]), (3, [1, 2]), (5, [2, 4]), (17, [8, 13]), (200, [100, 160])],
)
def test_milestones_not_given_are_half_and_four_fifths_of_the_epochs(project, epochs, milestones):
    read = written(project, LEAST + f"train: {{epochs: {epochs}}}\n")
    assert study_file.train(read, "baseline", 0, "o").milestones == milestones


def test_the_arm_is_laid_over_the_studys_recipe_and_values_over_the_arm(project):
    read = written(
        project,
        "title: It\ndata: {source: phantom}\ntrain: {width: 8, epochs: 3}\n"
        "arms:\n  a: {epochs: 4}\n  b:\n",
    )
    assert [study_file.train(read, arm, 0, "o").epochs for arm in "ab"] == [4, 3]
    assert study_file.train(read, "a", 0, "o", [("epochs", "5")]).epochs == 5
    assert study_file.train(read, "a", 0, "o").width == 8


def test_arms_have_their_own_seeds_and_the_pair_those_in_common(project):
    read = written(
        project,
        "title: It\ndata: {source: phantom}\nseeds: [1, 2, 3]\narms:\n  a:\n  b: {seeds: [3, 1]}\n",
    )
    view = study_file.view(read, "compare", "o")
    assert view.arms == {"a": [1, 2, 3], "b": [3, 1]} and view.seeds == [1, 3]
    assert read.chosen(["b"], [7]).seeds == {"b": [7]}


def test_some_arms_alone_are_a_study_of_these(project):
    read = written(
        project, "title: It\ndata: {source: phantom}\nbefore: c\nafter: a\narms: {a: , b: , c: }\n"
    )
    assert study_file.view(read, "compare", "o").pair == ("c", "a")
    assert study_file.view(read.chosen(["a", "b"]), "compare", "o").pair == ("a", "b")
    assert study_file.view(read.chosen(["b"]), "compare", "o").pair == ("b",)
    with pytest.raises(ParameterError, match="no arm cc; did you mean 'c'?"):
        read.chosen(["cc"])


@pytest.mark.parametrize(
    "text, says",
    [
        (LEAST + "trian: {width: 8}\n", "trian: unknown section; did you mean 'train'?"),
        (LEAST + "width: 8\n", "width: unknown section; it belongs under 'train'"),
        (LEAST + "train: {widht: 8}\n", "train: widht: unknown parameter; did you mean 'width'?"),
        (
            LEAST + "train: {mined: 8}\n",
            "train: mined: unknown parameter; it belongs under 'failures'",
        ),
        (LEAST + "train: {root: x}\n", "train: root: unknown parameter; it belongs under 'data'"),
        (
            LEAST + "report: {title: x}\n",
            "report: title: unknown parameter; it stands on its own, not below a section",
        ),
        (LEAST + "train: {width: 0}\n", "train: width: input should be greater than or equal to 1"),
        (LEAST + "train: {width: 8.5}\n", "train: width: input should be a valid integer"),
        (LEAST + "train: 8\n", "train: input should be a valid dictionary"),
        (LEAST + "failures: {mined: x}\n", "failures: mined: input should be a valid integer"),
        (
            LEAST + "compare: {target_risk: 2}\n",
            "compare: target_risk: input should be less than 1",
        ),
        (LEAST + "seeds: []\n", "seeds: list should have at least 1 item"),
        (LEAST + "seeds: [1, 1]\n", "seeds: a seed stands there twice"),
        (LEAST + "seeds: 42\n", "seeds: input should be a valid list"),
        (LEAST + "after: b\n", "after: with one arm (baseline)"),
        (LEAST + "claims: 7\n", "claims: input should be a valid string"),
        ("title: It\narms: {a: }\n", "data: missing; a study has title, data and arms"),
        (
            "title: It\ndata: {source: mnist}\narms: {a: }\n",
            "data: source: one of phantom, cifar10, cifar100, folder, none (got 'mnist')",
        ),
        (
            "title: It\ndata: {}\narms: {a: }\n",
            "data: source: one of phantom, cifar10, cifar100, folder, none (got None)",
        ),
        ("title: It\ndata: {source: phantom}\narms: {}\n", "arms: dictionary should have at least"),
        ("title: It\ndata: {source: phantom}\narms: {no: }\n", "arms: an arm's name holds a-z"),
        ("title: It\ndata: {source: phantom}\narms: {a b: }\n", "arms: an arm's name holds a-z"),
        ("title: It\ndata: {source: phantom}\narms: {a: 3}\n", "arms.a: input should be a valid"),
        (
            "title: It\ndata: {source: phantom}\narms: {a: {epocs: 3}}\n",
            "arms.a: epocs: unknown parameter; did you mean 'epochs'?",
        ),
        (
            "title: It\ndata: {source: phantom}\narms: {a: {epochs: 0}}\n",
            "arms.a: epochs: input should be greater than",
        ),
        (
            "title: It\ndata: {source: phantom, root: x}\narms: {a: }\n",
            "data: root: root names the folder",
        ),
        ("title: It\ntitle: That\n", "title (line 2): given twice"),
        ("title: [\n", "not valid YAML"),
        ("- a\n", "expected 'name: value' lines"),
    ],
)
def test_a_mistake_is_one_line_with_file_section_and_rule(project, text, says):
    lines = told(project, text)
    assert len(lines) == 1 and lines[0].startswith("params/s.yaml: "), lines
    assert lines[0].removeprefix("params/s.yaml: ").startswith(says), lines


def test_all_mistakes_of_a_files_shape_are_told_at_once(project):
    lines = told(project, "titel: It\ndata: {source: phantom, with: 3}\narms: {a: {epocs: 3}}\n")
    assert {line.split(": ")[1] for line in lines} == {"titel", "title", "data", "arms.a"}


def test_a_study_that_is_not_there_is_named_with_what_may_be_meant(project):
    study(project, "flowers")
    with pytest.raises(ParameterError, match="no study 'flower'; did you mean 'flowers'?"):
        study_file.read("flower")
    with pytest.raises(ParameterError, match="a name holds a-z"):
        study_file.read("../flowers")


def test_a_folder_of_the_first_edition_is_one_line_that_names_the_changelog(project):
    (project / "params" / "old" / "arms").mkdir(parents=True)
    with pytest.raises(ParameterError, match=r"^params/old/: .*CHANGELOG.md[^\n]*$"):
        study_file.read("old")


@pytest.mark.parametrize("stage", STAGES)
def test_every_parameter_has_a_meaning(stage):
    own = set(STAGES[stage].model_fields) - set(config.View.model_fields) - {"arm", "seed"}
    for name in own:
        assert STAGES[stage].model_fields[name].description, name


def test_each_name_is_unique_in_the_file():
    names = [name for known in study_file.SECTIONS.values() for name in known]
    names += list(study_file.Content.model_fields)
    sections = set(study_file.SECTIONS)
    assert sorted(set(names)) == sorted(names) and sections <= set(study_file.Content.model_fields)


@pytest.mark.parametrize("name", study_file.names())
def test_the_projects_studies_have_good_values_for_every_notebook(name):
    read = study_file.read(name)
    for arm, seeds in read.seeds.items():
        for seed in seeds:
            study_file.train(read, arm, seed, "outputs")
    for stage in list(STAGES)[1:]:
        study_file.view(read, stage, "outputs")


def test_what_is_resolved_stays_what_it_is_in_yaml():
    read = study_file.read("cifar100")
    for stage in list(STAGES)[1:]:
        values = study_file.view(read, stage, "outputs").model_dump()
        assert yaml.safe_load(yaml.safe_dump(values)) == values
    values = study_file.train(read, "cutmix", 42, "outputs").model_dump()
    assert yaml.safe_load(yaml.safe_dump(values)) == values


@pytest.mark.parametrize("stage", STAGES)
def test_the_notebooks_parameter_cells_are_the_smoke_study(stage):
    smoke = study_file.read("smoke")
    wanted = (
        study_file.train(smoke, "baseline", 0, "outputs")
        if stage == "train"
        else study_file.view(smoke, stage, "outputs", runs="released/smoke")
    )
    assert parameters_cell(stage) == wanted.model_dump()


@pytest.mark.parametrize("page", ["data", "assignment"])
def test_the_studies_in_the_documentation_are_studies(project, page):
    docs = (Path(__file__).parents[2] / "docs" / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(# params/(\w+)\.yaml\n.*?)```", docs, re.S)
    assert len(blocks) >= {"data": 5, "assignment": 1}[page]
    for text, name in blocks:
        read = written(project, text, name)
        for stage in list(STAGES)[1:]:
            study_file.view(read, stage, "o")
        for arm in (one for one, said in read.arms.items() if study_file.kind(said) == "trained"):
            study_file.train(read, arm, 42, "o")

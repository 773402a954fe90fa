"""Effects are found by the recorded parameters of arms, and are the differences they claim to
be."""

import numpy as np
import pytest
from synthetic import PARAMS, run

from lib.evaluation import ablation
from lib.evaluation.bootstrap import resample
from lib.evaluation.summary import arm_numbers
from lib.report import comparison

ARMS = {
    "na": {"augment": False},
    "base": {},
    "ls": {"label_smoothing": 0.1},
    "co": {"cutmix_probability": 0.5},
    "cm": {"cutmix_probability": 0.5, "label_smoothing": 0.1},
}


def effects(arms, pair=("base", "cm")):
    return ablation.effects(
        {arm: PARAMS | {"arm": arm} | changes for arm, changes in arms.items()}, pair
    )


def named(found):
    return [(effect["effect"], effect["given"]) for effect in found]


def test_five_arms_show_each_effect_alone_and_given_the_other_and_how_they_add_up():
    found = effects(ARMS)
    assert named(found) == [
        ("crop and flip", "nothing else"),
        ("CutMix", "crop and flip"),
        ("CutMix", "crop and flip and label smoothing"),
        ("label smoothing", "crop and flip"),
        ("label smoothing", "crop and flip and CutMix"),
        ("CutMix × label smoothing", "crop and flip"),
        ("all together", "nothing else"),
    ]
    assert [effect["arms"] for effect in found] == [
        {"base": 1, "na": -1},
        {"co": 1, "base": -1},
        {"cm": 1, "ls": -1},
        {"ls": 1, "base": -1},
        {"cm": 1, "co": -1},
        {"cm": 1, "co": -1, "ls": -1, "base": 1},
        {"cm": 1, "na": -1},
    ]


def test_names_and_order_of_the_arms_mean_nothing():
    shuffled = {f"x{arm}": ARMS[arm] for arm in ("cm", "co", "na", "ls", "base")}
    renamed = [
        {arm.removeprefix("x"): weight for arm, weight in effect["arms"].items()}
        for effect in effects(shuffled, ("xbase", "xcm"))
    ]
    assert all(effect in renamed for effect in [effect["arms"] for effect in effects(ARMS)])
    assert len(renamed) == len(effects(ARMS))


@pytest.mark.parametrize("arms", [("base", "cm"), ("base",), ("na", "cm")])
def test_without_arms_that_differ_in_one_factor_there_is_none(arms):
    assert effects({arm: ARMS[arm] for arm in arms}) == []


def test_the_pair_alone_is_no_ablation():
    two = {arm: ARMS[arm] for arm in ("base", "co")}
    assert effects(two, ("base", "co")) == [] and len(effects(two, ("other", "co"))) == 1


def test_only_the_effects_whose_arms_are_there():
    assert named(effects({arm: ARMS[arm] for arm in ("base", "ls", "cm")})) == [
        ("CutMix", "crop and flip and label smoothing"),
        ("label smoothing", "crop and flip"),
    ]


def test_arms_that_differ_in_anything_else_are_not_held_against_each_other():
    assert effects({"base": {}, "cm": ARMS["cm"], "co": ARMS["co"] | {"width": 16}}) == []
    assert named(effects({"base": {}, "cm": ARMS["cm"], "ls": {"label_smoothing": 0.2}})) == [
        ("label smoothing", "crop and flip")
    ]
    assert len(effects({"base": {}, "cm": ARMS["cm"], "co": ARMS["co"] | {"threads": 4}})) == 2


REMEDIES = {
    "MixUp": {"mixup_probability": 0.5, "mixup_alpha": 0.2},
    "Cutout": {"cutout_size": 8},
    "cosine schedule": {"schedule": "cosine"},
}


@pytest.mark.parametrize("remedy", REMEDIES)
def test_every_remedy_is_a_factor(remedy):
    found = effects({"a": {}, "b": REMEDIES[remedy], "c": {"width": 16}}, ("a", "c"))
    assert found[0] == {"effect": remedy, "given": "crop and flip", "arms": {"b": 1, "a": -1}}


def test_arms_of_two_remedies_add_up_or_not():
    both = REMEDIES["MixUp"] | REMEDIES["Cutout"]
    off = {"augment": False}
    arms = {"none": off} | {
        name: off | changes for name, changes in (*list(REMEDIES.items())[:2], ("both", both))
    }
    assert named(effects(arms, ("none", "both")))[-2:] == [
        ("MixUp × Cutout", "nothing else"),
        ("all together", "nothing else"),
    ]


def test_arms_that_differ_in_any_one_parameter_show_its_effect():
    arms = {"long": {"epochs": 4}, "base": {}, "ls": {"label_smoothing": 0.2}}
    found = effects(arms | {"less": {"label_smoothing": 0.1}}, ("base", "ls"))
    assert found[-2:] == [
        {
            "effect": "epochs 4 in place of 2",
            "given": "crop and flip",
            "arms": {"long": 1, "base": -1},
        },
        {
            "effect": "label smoothing 0.2 in place of 0.1",
            "given": "crop and flip",
            "arms": {"ls": 1, "less": -1},
        },
    ]
    assert effects({"a": {}, "b": {"root": "elsewhere"}, "c": {"seed": 5}}, ("b", "c")) == []


@pytest.mark.parametrize(
    "changes, names",
    [
        ({"cutmix_probability": 0.5}, ["cutmix_probability"]),
        ({"cutmix_probability": 0.5, "cutmix_alpha": 0.3}, ["cutmix_probability"]),
        ({"cutmix_alpha": 0.3, "threads": 9}, []),
        (
            {"epochs": 9, "schedule": "cosine", "mixup_probability": 0.2},
            ["epochs", "mixup_probability", "schedule"],
        ),
    ],
)
def test_what_two_arms_differ_in_is_named(changes, names):
    assert ablation.differing(PARAMS, PARAMS | changes) == names


@pytest.fixture(scope="module")
def measured():
    trained = {
        arm: {
            seed: run(10 * place + seed, 200, ARMS[arm], signal=1 + 0.2 * place)
            for seed in range(2)
        }
        for place, arm in enumerate(ARMS)
    }
    numbers = {arm: arm_numbers(of_seeds) for arm, of_seeds in trained.items()}
    sampled = resample(
        trained, {arm: of_arm["temperature"]["each"] for arm, of_arm in numbers.items()}, 200
    )
    return numbers, ablation.measured(effects(ARMS), numbers, sampled)


def test_every_point_has_an_owner(measured):
    numbers, found = measured
    for name in ablation.EFFECTS_ON:
        of = {(effect["effect"], effect["given"]): effect[name]["estimate"] for effect in found}
        parts = (
            of["crop and flip", "nothing else"]
            + of["CutMix", "crop and flip"]
            + of["label smoothing", "crop and flip"]
            + of["CutMix × label smoothing", "crop and flip"]
        )
        assert parts == pytest.approx(of["all together", "nothing else"])
        assert parts == pytest.approx(numbers["cm"][name]["mean"] - numbers["na"][name]["mean"])
    assert all(
        effect[name]["low"] < effect[name]["high"]
        for effect in found
        for name in ablation.EFFECTS_ON
    )


def test_the_table_and_the_plot_hold_what_was_measured(measured):
    _, found = measured
    table, view = ablation.effects_table(found), ablation.effects_view(found)
    assert len(table) == len(found) * len(ablation.EFFECTS_ON) and len(view) == len(found)
    assert (
        table.loc[table["arms"] == "cm − co − ls + base", "number"].tolist()[0] == "Test accuracy"
    )
    assert view["Test accuracy, points"][0].startswith(
        f"{100 * found[0]['test_accuracy']['estimate']:+.1f}".replace("-", "−")
    )
    axes = comparison.effects_figure(found)
    drawn = axes[0].collections[1].get_offsets()
    np.testing.assert_allclose(
        drawn[:, 0], [100 * effect["test_accuracy"]["estimate"] for effect in found]
    )
    written = [float(text.get_text().replace("−", "-")) for text in axes[0].texts]
    np.testing.assert_allclose(written, drawn[:, 0], atol=0.0501)
    assert [label.get_text() for label in axes[0].get_yticklabels()][
        1
    ] == "CutMix, with crop and flip"

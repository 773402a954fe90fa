"""What a training shows while it runs (a line and a table after each epoch, curves that redraw,
TensorBoard on request), and the report's sentences on the study as a whole: what it found, how it
was trained, what fails, and its limits.
"""

import os
from collections.abc import Callable

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display
from tqdm.auto import tqdm

from lib.base import artefacts
from lib.base.text import (
    compared,
    count,
    escape,
    level,
    listed,
    most,
    name,
    percent,
    plural,
    see,
    several,
    signed,
)
from lib.evaluation import scope
from lib.model import SMALL
from lib.report import style
from lib.report.exhibits import show_figure
from lib.training import record
from lib.training.loop import State, line, peak_memory
from lib.training.network import OWN

# A notebook that nobody looks at prints, and draws nothing; both are asked for in the environment.
HEADLESS, TENSORBOARD = (
    bool(os.environ.get(f"REPORT_{word}")) for word in ("HEADLESS", "TENSORBOARD")
)


SHOWN = 6  # of the things that rows cannot tell


def progress(steps):
    """A bar over an epoch's steps that goes away with it."""
    return tqdm(steps, disable=HEADLESS, leave=False)


def follow(
    state: State, headless: bool = HEADLESS, tensorboard: bool = TENSORBOARD
) -> Callable[[dict], None]:
    """A function to be given each epoch's row, after it has joined the history.

    The history so far is `history.part.csv`, as an earlier run that is finished may still own
    `history.csv`. headless draws nothing. tensorboard writes event files to the run's folder;
    raises ModuleNotFoundError without that package."""
    figure = None if headless else display(display_id=True)
    writer = _writer(state.folder) if tensorboard else None

    def show(row: dict) -> None:
        history = pd.DataFrame(state.history)
        artefacts.write_table(state.folder / record.HISTORY_SO_FAR, history)
        print(line(row, state.params.epochs, peak_memory(state.device)), flush=True)
        if figure:
            drawn = style.training_curves(history, state.params.milestones)[0].figure
            figure.update(drawn)
            plt.close(drawn)
        if writer:
            for name, value in row.items():
                writer.add_scalar(name, value, row["epoch"])
            writer.flush()

    return show


def show_curves(run: record.Run) -> None:
    """The curves of a finished run, kept in its folder."""
    params = run.info["params"]
    milestones = params["milestones"]
    show_figure(
        style.training_curves(run.history, milestones)[0].figure,
        "training",
        **style.training(params["arm"], run.history, milestones),
        folder=run.path,
        data=run.history,
    )


def _writer(folder):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ModuleNotFoundError(
            "TENSORBOARD was asked for and its package is not installed: pip install tensorboard"
        ) from None
    return SummaryWriter(folder / "tensorboard")


# The report's sentences, built from results.json and from nothing else. None says more than its
# interval allows.


def networks(study: dict) -> str:
    """What was trained: our own network by its widths, others by their names."""
    widths = listed([str(width) for width in study["widths"]])
    return listed(
        [
            f"ResNet-18 of width {widths}" if one == OWN else f"the network {escape(one)}"
            for one in study["networks"]
        ]
    )


def seeds(study: dict) -> str:
    if not study["widths"]:
        return (
            "Each arm is one network: how much another would differ is not known from this study."
        )
    if most(study["seeds_of_arms"]) == 1:
        return (
            f"{_each(study)} was trained once, with one seed: how much another seed would "
            "change is not known from this study."
        )
    paired = ", and differences are paired by seed" if len(study["differences"]) > 1 else ""
    return (
        f"{_each(study)} was trained with {several(study['seeds_of_arms'])}. Numbers "
        f"are means over them{paired}; "
        "what is said of single images, maps, probes, verdicts, severity, corrected labels and "
        f"corrupted images is of seed {study['seeds'][0]} alone, with intervals over images only."
    )


def _each(study: dict) -> str:
    return "Each arm" if len(study["differences"]) > 1 else "The one arm"


def done(results: dict) -> str:
    """What was trained on what, how, and the proof of each split's transform."""
    study = results["study"]
    if not study["widths"]:
        return "\n\n".join(filter(None, (brought(study), not_asked(results))))
    rate = f"learning rate is {study['learning_rate']:g}" + _falls(study)
    arms = "\n".join(
        f"- **{name(arm)}**: {escape(differs)}" for arm, differs in study["differences"].items()
    )
    arms = f"The arms:\n\n{arms}\n\n" if len(study["differences"]) > 1 else ""
    exceptions = (
        f" ({listed(study['varies'])} not the same in every arm, see below)"
        if study["varies"]
        else ""
    )
    size = study["image_size"]
    stem = (
        "a 3×3 stem, no max-pool and"
        if size <= SMALL
        else "torchvision's stem (7×7, stride 2, max-pool),"
    )
    inputs = "" if size == 32 else f" and inputs of {size} px"
    network = f"ResNet-18 with {stem} {study['width']} channels in its first stage"
    if study["networks"][0] != OWN:
        network = f"The network {escape(study['networks'][0])}"
    return (
        f"{network} ({study['parameters']:,} parameters){inputs} was trained by SGD. Momentum is "
        f"{study['momentum']:g}, weight decay {study['weight_decay']:g}. The {rate}. There were "
        f"{study['epochs']} epochs in batches of {study['batch_size']}{exceptions}.\n\n{arms}"
        f"{proof(study)} {not_asked(results)}".rstrip()
    )


def not_asked(results: dict) -> str:
    """Which arms' networks were not there, and what is left out for that; "" for none."""
    found = results["gradcam"]
    if not found["left_out"]:
        return ""
    arms = listed([name(arm) for arm in found["left_out"]])
    if not pictured(results):
        return "There are no pictures: probes, verdicts, maps and corrupted images are left out."
    if not found["asked"]:
        return f"The networks of {arms} are not at hand: probes, verdicts and maps are left out."
    asked = listed([name(arm) for arm in found["asked"]])
    return f"The network of {arms} is not at hand: probes, verdicts and maps are of {asked} alone."


def brought(study: dict) -> str:
    """Arms that were not trained here."""
    arms = [f"- **{name(arm)}**: {escape(said)}" for arm, said in study["differences"].items()]
    return "\n\n".join(["Nothing was trained in this study. The arms:", "\n".join(arms)])


def _falls(study: dict) -> str:
    """How the learning rate falls, to stand behind it."""
    if study["schedule"] == "cosine":
        return ", falling to 0 along half a cosine"
    steps = listed([str(epoch) for epoch in study["milestones"]])
    epochs = "epoch" if len(study["milestones"]) == 1 else "epochs"
    return f", divided by 10 after {epochs} {steps}" if steps else ""


def proof(study: dict) -> str:
    """What two readings of the same images prove about each split's transform; "" where nothing
    was trained here."""
    if not study["proof"]:
        return ""
    shares_of = {arm: percent(shares["train"]) for arm, shares in study["proof"].items()}
    moved = listed(
        [
            f"{share} in {listed([name(arm) for arm in shares_of if shares_of[arm] == share])}"
            for share in dict.fromkeys(shares_of.values())
        ]
    )
    if len(shares_of) > 1 and len(set(shares_of.values())) == 1:
        moved = f"{next(iter(shares_of.values()))} in every arm"
    still = all(
        shares[split] == 0 for shares in study["proof"].values() for split in ("val", "test")
    )
    return (
        "Whether only train images are augmented was tested by reading each twice, as two epochs "
        f"do: train images differed ({moved}); "
        + (
            "no validation or test image did."
            if still
            else "**so did validation or test images: their transform is not the intended one.**"
        )
    )


def training(results: dict) -> str:
    given, arms = results["study"]["seeds_of_arms"], results["compare"]["arms"]
    sentences = [f"The numbers of this paragraph are means of {several(given)}."] * (
        most(given) > 1
    )
    sentences += [
        f"At the end {name(arm)} gets {percent(numbers['train_accuracy']['mean'])} of the clean "
        f"train images and {percent(numbers['val_accuracy']['mean'])} of the validation images "
        f"right, a gap of {signed(100 * numbers['train_val_gap']['mean']).lstrip('+')} points "
        f"({see(f'fig-training-{arm}')})."
        for arm, numbers in arms.items()
        if arm in compared(results["compare"]) and numbers["train_accuracy"]["mean"] is not None
    ]
    if len(arms) > 2:
        sentences += [f"{see('tab-arms')} has the other arms."]
    sentences += [
        f"In {name(arm)} a mixed image kept {percent(share, 0)} of its own picture on average."
        for arm, share in results["study"]["mean_lambda"].items()
        if share is not None
    ]
    return " ".join(sentences)


def failing(results: dict) -> str:
    failures = results["failures"]
    numbers = failures["arms"][failures["before"]]
    study = results["study"]
    more = len(study["seeds_of_arms"][failures["before"]]) > 1
    seed = f" with seed {study['seeds'][0]}" if more else ""
    text = f"These are the errors of {name(failures['before'])}{seed}."
    text += persistent(numbers.get("persistence"))
    if failures["named"]:
        right = failures["named_right"]
        named = plural(failures["named"], "named case")
        text += (
            f" {named} {'is' if failures['named'] == 1 else 'are'} looked at besides; it gets "
            f"{count(right)} of them right"
            + (", which is no failure of this network." if right else ".")
        )
    if not failures["selected"]:
        return text if numbers["errors"] else text + " There is no error to show."
    return text + f" {see('tab-hypotheses')} has what is looked at."


def pictured(results: dict) -> bool:
    """Whether the study has pictures, and not predictions alone."""
    return results["study"]["image_size"] is not None


def persistent(levels: list[dict] | None) -> str:
    """Which errors another seed of the arm makes as well: lib.evaluation.failures of all errors and
    of the sure ones."""
    if not levels:
        return ""
    every, sure = levels[0], levels[1]
    said = [
        f"{percent(every[kind] / every['errors'], 0)} are {words}"
        for kind, words in (
            ("persistent", "persistent, the same wrong class in every seed"),
            ("shifting", "shifting, wrong in every seed but not always the same"),
            ("of this network", "of this network alone, right in another seed"),
        )
    ]
    text = f" Of its errors {listed(said)}."
    if scope.enough(sure["errors"]):
        text += (
            f" Of the {sure['errors']:,} at {level(sure['confidence'])} confidence or more "
            f"{percent(sure['persistent'] / sure['errors'], 0)} are persistent."
        )
    return text


def _several_changes(results: dict) -> bool:
    """Whether the two arms differ in more than one thing, or in what nobody knows."""
    study, compare = results["study"], results["compare"]
    if not compare["after"]:
        return False
    changed = study["changes"].get(compare["before"], {}).get(compare["after"], [])
    return not study["widths"] or len(changed) > 1


def limits(results: dict) -> str:
    study = results["study"]
    number = len(study["seeds"])
    items = [
        "Intervals cover the choice of test images, not the choice of seed."
        if number == 1 and study["widths"]
        else "Intervals cover the choice of test images; another network was not looked at."
        if number == 1
        else "Intervals of differences cover the choice of test images and of seeds; with "
        f"{number} seeds the spread between seeds is itself known only roughly, which makes "
        "them wide. The intervals of single risks, and tests over all images, cover the choice "
        "of images alone.",
    ]
    if not results["compare"]["after"] and study["widths"]:
        items.append(
            "No remedy was trained beside it, so nothing here says whether a failure could be "
            "cured."
        )
    elif _several_changes(results) and not results["compare"]["ablation"]:
        items.append(
            "Where arms differ in more than one thing, the comparison does not say which of them "
            "made the difference."
        )
    lines = results["cannot_tell"]
    items += [f"{escape(line[:1].upper() + line[1:])}." for line in lines[:SHOWN]]
    if len(lines) > SHOWN:
        items.append(f"{len(lines) - SHOWN} more of this kind are in results.json.")
    if not pictured(results):
        items.append("There were no pictures, so nothing is said of why a prediction is wrong.")
    elif not results["gradcam"].get("rule"):
        items.append("How often a verdict on a cause is right is not known on this data set.")
    else:
        items.append(
            "The diagnosis is scored on causes that were planted into these pictures. A cause "
            "that nobody planted is called unexplained, or the nearest one that was."
        )
    robustness = results["compare"]["robustness"]
    if robustness and robustness["images"] < study["sizes"]["test"]:
        images = plural(robustness["images"], "test image")
        items.append(f"The corruptions were applied to {images} alone, drawn at random.")
    if OWN in study["networks"] and min(study["widths"]) < 64:
        narrow = listed([str(width) for width in study["widths"]])
        items.append(
            f"The network is narrow ({narrow} channels, where ResNet-18 has 64) and was trained "
            f"for {listed([str(number) for number in study['epochs_of_arms']])} epochs: its "
            "accuracies are not those of the full recipe."
        )
    return "\n".join(f"- {item}" for item in items)


def provenance(results: dict, versions: str) -> str:
    what = "images" if pictured(results) else "ids"
    return (
        f"Data digest (SHA-256 of all {what} and labels in their splits): "
        f"`{results['study']['data_digest']}`. Versions: {escape(versions)}."
    )

"""Where errors go, which of them are looked at, and which labels are suspected: plots (data in,
axes out; nothing is computed or saved here), captions and alt texts, and the report's sentences.
"""

from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from lib.base.text import (
    compared,
    count,
    escape,
    headed,
    interval,
    level,
    listed,
    name,
    p_value,
    percent,
    plural,
    points,
    readable,
    see,
    shares,
    shorten,
    signed,
    start,
    verdict,
    with_interval,
)
from lib.evaluation.calibration import at_bound
from lib.evaluation.labels import RULE
from lib.evaluation.severity import chances
from lib.evaluation.summary import missing
from lib.report.style import WIDTH, colours

WRITTEN = 22  # names that fit beside one matrix in readable type


def within_superclass_figure(tables: dict[str, pd.DataFrame]):
    """Share of errors inside the true superclass by band of confidence, an arm a colour, the errors
    counted above.

    Dashed: chance in each arm.

    tables: arm to lib.evaluation.severity.within_by_confidence.
    """
    _, ax = plt.subplots(figsize=(WIDTH, 2.4), layout="constrained")
    first = next(iter(tables.values()))
    place, step = np.arange(len(first)), 0.7 / len(tables)
    for number, (arm, colour) in enumerate(colours(tables).items()):
        table, shift = tables[arm], (number - (len(tables) - 1) / 2) * step
        shown = table["errors"].to_numpy() > 0
        middle, share = (place + shift)[shown], table["share"][shown]
        reach = [share - table["share_low"][shown], table["share_high"][shown] - share]
        ax.errorbar(
            middle,
            share,
            yerr=reach,
            fmt="o",
            color=colour,
            markersize=3.5,
            linewidth=1,
            label=readable(arm),
        )
        for where, top, errors in zip(middle, table["share_high"][shown], table["errors"][shown]):
            ax.annotate(
                f"{errors:,}",
                (where, top),
                (0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=8,
                rotation=0 if len(tables) < 3 else 90,
            )
    for number, chance in enumerate(chances(tables)):
        ax.axhline(
            chance,
            color="#555555",
            linewidth=0.8,
            linestyle=(0, (4, 3)),
            label="_chance" if number else "chance",
        )
    ax.set_xticks(place, [f"{level(row.low)} to {level(row.high)}" for row in first.itertuples()])
    highest = max(table.loc[table["errors"] > 0, "share_high"].max() for table in tables.values())
    ax.set(
        xlabel="confidence of the wrong prediction, after temperature scaling",
        ylim=(0, 1.3 * highest if highest > 0 else None),
    )
    ax.set_ylabel("errors inside\nthe true superclass")
    ax.yaxis.set_major_formatter(PercentFormatter(1, 0))
    # room for the counts lies above the largest share, but no share is
    ax.set_yticks([tick for tick in ax.get_yticks() if tick <= min(1, ax.get_ylim()[1])])
    ax.grid(axis="x", visible=False)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(tables) + 1)
    return ax


def confusion_figure(
    matrices: dict[str, np.ndarray], names: list[str], blocks: list[tuple[str, int]]
):
    """Confusion matrices of the arms side by side, errors only, on one scale from white at 0; the
    diagonal is grey.

    matrices: arm to shares of the true class (K, K), rows true; names: of the K classes in that
    order; blocks: name and number of classes of each superclass in that order, empty when there are
    none. Names of classes stand on the axes where they fit, else names of blocks, else none.
    """
    errors = {
        arm: np.where(np.eye(len(names), dtype=bool), np.nan, matrix)
        for arm, matrix in matrices.items()
    }
    largest = max(float(np.nan_to_num(matrix).max(initial=0)) for matrix in errors.values())
    # in proportion, so that a single image looks like the little that it is
    norm = Normalize(0, largest or 1.0)
    labels = (
        names
        if len(names) <= WRITTEN
        else [name for name, _ in blocks]
        if len(blocks) <= WRITTEN
        else []
    )
    # inches that the longest label takes
    beside = 0.068 * max((len(shorten(label, 18)) for label in labels), default=0)
    # a single matrix of few classes needs no whole page
    wide = WIDTH if len(matrices) > 1 or len(names) > WRITTEN else 0.62 * WIDTH
    size = (wide, (wide - 0.4 - beside) / len(matrices) + beside + 1.1)
    _, (axes,) = plt.subplots(
        1, len(matrices), figsize=size, layout="constrained", sharey=True, squeeze=False
    )
    shades = plt.get_cmap("Purples").with_extremes(bad="#c9c9c9")
    edges = np.cumsum([0] + [size for _, size in blocks])
    for axis, (arm, matrix) in zip(axes, errors.items()):
        drawn = axis.imshow(matrix, cmap=shades, norm=norm, interpolation="none")
        for first, last in zip(edges[:-1], edges[1:]):
            axis.add_patch(
                Rectangle(
                    (first - 0.5, first - 0.5),
                    last - first,
                    last - first,
                    fill=False,
                    edgecolor="#222222",
                    linewidth=0.6,
                )
            )
        axis.spines[:].set_visible(True)
        _ticks(
            axis,
            labels,
            np.arange(len(names)) if labels is names else (edges[:-1] + edges[1:] - 1) / 2,
        )
        axis.set(title=readable(arm), xlabel="predicted", ylabel="true" if axis is axes[0] else "")
        axis.grid(visible=False)
    bar = axes[0].figure.colorbar(drawn, ax=list(axes), shrink=0.6, aspect=30, location="bottom")
    bar.set_label("share of the true class's test images", fontsize=8)
    bar.ax.xaxis.set_major_formatter(PercentFormatter(1))
    bar.ax.tick_params(labelsize=8, length=2)
    return axes


def _ticks(axis, labels: list[str], places: np.ndarray) -> None:
    texts, size = [shorten(label, 18) for label in labels], 8
    axis.set_xticks(places[: len(texts)], texts, rotation=90, fontsize=size)
    axis.set_yticks(places[: len(texts)], texts, fontsize=size)
    axis.tick_params(length=1.5, pad=1)


# Captions and alt texts of the failures stage; every number comes from the data drawn.


PAIR_FORMATS = {"class": readable, "other": readable, "share": "{:.1%}"}
SUSPECT_FORMATS = {
    "true": readable,
    "suggested": readable,
    "planted": readable,
    "self_confidence": "{:.1%}",
    "margin": "{:.3f}",
}


def failures(selection: pd.DataFrame, arm: str) -> dict[str, str]:
    named, mined = (int((selection["why"] == why).sum()) for why in ("named", "mined"))
    parts = [f"the {plural(named, 'named case')}"] * (named > 0)
    first = selection.get("persistence", pd.Series(dtype=str)).ne("").any()
    parts += [
        f"the {plural(mined, 'most confident error')} of the discovery half, at most one for a "
        "pair of classes"
        + ", those that every seed makes first" * bool(first)
        + ", planted causes in turn" * ("cause" in selection)
    ] * (mined > 0)
    above = "id, label, predicted class with its confidence before scaling" + (
        ", planted cause" if "cause" in selection else ""
    )
    said = "; ".join(
        f"{readable(row.true)} predicted {readable(row.predicted)} ({percent(row.confidence, 0)})"
        for row in selection.itertuples()
    )
    return {
        "caption": f"Test images as {name(arm)} predicts them: "
        f"{listed(parts) if parts else 'none'}. Above each: {above}.",
        "alt": f"Pictures of {plural(len(selection), 'test image')}: {said or 'none'}.",
    }


def right_title(row) -> str:
    return f"{headed(row.id, row.true)}\n✓ {percent(row.confidence, 0)}"


def failures_beside(wrong: pd.DataFrame, right: list, arm: str) -> dict[str, str]:
    """right: of each error the row of a right answer, or None."""
    said = "; ".join(
        f"{readable(row.true)} predicted {readable(row.predicted)} ({percent(row.confidence, 0)})"
        for row in wrong.itertuples()
    )
    there = sum(row is not None for row in right)
    above = "id and label, prediction with its confidence before scaling" + (
        ", planted cause" if "cause" in wrong else ""
    )
    return {
        "caption": f"{plural(len(wrong), 'error')} of {name(arm)}. Above each: {above}; below it "
        f"the right answer of the same class that it is surest of.{_planted(wrong)}",
        "alt": f"Pictures of {plural(len(wrong), 'error')}: {said}; below them {there} right "
        "answers of the same classes.",
    }


def _planted(wrong: pd.DataFrame) -> str:
    """The most frequent planted cause of these errors; "" where none is known, or planted."""
    causes = [cause for cause in wrong.get("cause", ()) if cause != "none"]
    if not causes:
        return ""
    ((cause, of_cause),) = Counter(causes).most_common(1)
    return f" A {readable(cause)} was planted in {of_cause} of {len(wrong)}."


def hypotheses(selection: pd.DataFrame, arm: str) -> str:
    named = (selection["why"] == "named").any()
    return (
        f"The test images looked at, as {name(arm)} predicts them; confidence before and after "
        "temperature scaling. "
        + (
            "Hypotheses are those of the named cases; they are put to the test under Cases."
            if named
            else "No hypotheses were stated beforehand."
        )
    )


def suspected(shown: pd.DataFrame, total: int) -> str:
    known = {
        "reviewers": "Reviewers: what most of five people say, where they were asked. ",
        "planted": "Planted: what the phantom knows. ",
    }
    return (
        f"The {plural(len(shown), 'most doubtful label')} of {total:,} suspected in the test "
        f"split: {RULE}. Votes: runs in which it does; agreeing: runs that predict that class. "
        "Self-confidence, the probability of the recorded class, and margin, 0 where the other "
        "class is certain and 0.5 where both are alike, are means over the runs, after "
        "temperature scaling. "
        + "".join(text for source, text in known.items() if source in shown)
        + "A suspicion, not a verdict."
    )


def suspected_pictures(shown: pd.DataFrame) -> dict[str, str]:
    said = "; ".join(
        f"image {row.id}, labelled {readable(row.true)}, rather {readable(row.suggested)}"
        for row in shown.itertuples()
    )
    return {
        "caption": f"The {plural(len(shown), 'test image')} whose label is most doubtful. Above "
        "each: id and recorded class, the class that the runs suggest.",
        "alt": f"Pictures of test images with suspected labels: {said or 'none'}.",
    }


def suspected_titles(shown: pd.DataFrame) -> list[str]:
    return [
        f"{headed(row.id, row.true)}\n→ {shorten(row.suggested, 14)}" for row in shown.itertuples()
    ]


def rescored_caption(
    opinion, duplicates, pair: tuple[str, ...], seed: int, known: str = "that are"
) -> str:
    """Caption of the headline metrics on every set of test images; opinion:
    lib.evaluation.labels.Opinion or None; known: how duplicates are known."""
    change = (
        f" and {name(pair[1])} minus {name(pair[0])}, paired bootstrap over images"
        if len(pair) == 2
        else ""
    )
    by, parts = "", [f"Test accuracy (seed {seed}){change}."]
    if opinion is not None:
        by = (
            "most reviewers did not confirm"
            if opinion.source == "reviewers"
            else "the phantom's record contradicts"
        )
        gone, mended = (
            int(opinion.rejected.sum()),
            int((opinion.rejected & (opinion.corrected >= 0)).sum()),
        )
        parts.append(
            f"Rejected removed: without the {plural(gone, 'label')} that {by}; "
            f"corrected: {count(mended)} of them replaced"
            + (
                f", the other {plural(gone - mended, 'image')} without one accepted class left out."
                if gone > mended
                else "."
            )
        )
    if duplicates is not None:
        parts.append(
            f"Near-duplicates removed: without the {plural(int(duplicates.sum()), 'test image')} "
            f"{known} a copy or near copy of an image of train or validation, or of another one of "
            "test."
        )
    return " ".join(parts)


def within_superclass_caption(tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    said = "; ".join(
        f"{readable(arm)} "
        + ", ".join(
            f"{level(row.low)} to {level(row.high)}: {percent(row.share, 0)}"
            for row in table.itertuples()
            if row.errors
        )
        for arm, table in tables.items()
    )
    chance = listed(list(dict.fromkeys(percent(chance) for chance in chances(tables))))
    return {
        "caption": "Share of test errors that stay inside the true superclass, by confidence "
        "after temperature scaling, with 95% Clopper–Pearson intervals; above each, "
        "the errors of the band. Dashed: the share if wrong classes were drawn at "
        "random.",
        "alt": f"Shares by band of confidence. {said}. Chance: {chance}.",
    }


def confused(pairs: pd.DataFrame, errors: int, arm: str) -> str:
    return (
        f"The {plural(len(pairs), 'pair')} of classes that {name(arm)} confuses most, both "
        f"directions added, with the share of its {errors:,} test errors."
    )


def confusion_caption(
    matrices: dict[str, np.ndarray], names: list[str], blocks: list[tuple[str, int]]
) -> dict[str, str]:
    said = []
    for arm, matrix in matrices.items():
        wrong = np.where(np.eye(len(names), dtype=bool), 0, matrix)
        row, column = np.unravel_index(wrong.argmax(), wrong.shape)
        said.append(
            f"{readable(arm)}: "
            + (
                f"largest cell {readable(names[row])} taken for {readable(names[column])}, "
                f"{percent(wrong[row, column], 0)}"
                if wrong.any()
                else "no errors"
            )
        )
    what = "matrix" if len(matrices) == 1 else "matrices"
    order = f", classes ordered by superclass, the {len(blocks)} blocks outlined" if blocks else ""
    return {
        "caption": f"Confusion {what} on test, errors only{order}. A row is a true class, a "
        "column a predicted one; the colour is the share of the row's images. Grey: "
        "right predictions.",
        "alt": f"Confusion {what} of {plural(len(names), 'class', 'classes')}{order}. "
        f"{'; '.join(said)}.",
    }


# The report's sentences on which errors are looked at, on labels and on severity: from results.json
# and from nothing else.


def bounded(share: dict, digits: int = 0) -> str:
    """A share with its interval: "31% (95% interval 29% to 33%)"."""
    estimate, *ends = shares(share["estimate"], share["low"], share["high"], digits)
    return f"{estimate} ({interval(*ends)})"


def mining(results: dict) -> str:
    """By which rule the images that are looked at were chosen, and from which half of the test
    split."""
    failures = results["failures"]
    of_arm = failures["arms"][failures["before"]]
    errors, seeds = of_arm["discovery_errors"], of_arm.get("persistence")
    text = (
        "The test split is halved by the images' ids, before any network is looked at: by parity, "
        "or by a hash where ids are text. The discovery half has "
        f"{failures['discovery_images']:,} images; the others confirm. "
    )
    found = (
        "a bound of the search, for validation has no best one"
        if at_bound(failures["temperature"])
        else "fitted on validation"
    )
    if not failures["mined"]:
        return text + "No error was mined, and so no hypothesis comes from the discovery half."
    return text + (
        f"The {plural(failures['mined'], 'mined case')} "
        f"{'is' if failures['mined'] == 1 else 'are'} of the discovery half: the first of the "
        f"{plural(errors, 'error')} that {name(failures['before'])} makes there, ranked by "
        + "persistence (those that every seed makes first) and then by "
        * bool(seeds)
        + f"confidence after temperature scaling ({failures['temperature']:.2f}, {found}), at most "
        "one for a pair of true and predicted class"
        + ", planted causes in turn" * (failures["causes"] is not None)
        + "."
    )


def _unseen(runs: int, trained: bool) -> str:
    """What is known of the networks' training; trained: here, all of them or some."""
    who = "The one run" if runs == 1 else f"The {runs} runs of all arms and seeds"
    if trained:
        return f"{who} saw neither split in training"
    return f"{who} should have seen neither split in training, which is not known here"


def suspicious(results: dict) -> str:
    """How many labels are suspected, by which rule, and what the rule is worth where that is
    known."""
    labels = results["failures"]["labels"]
    runs = labels["runs"]
    counts = [
        f"{numbers['suspected']:,} of {numbers['images']:,} in "
        f"{'validation' if split == 'val' else split}"
        for split, numbers in labels["splits"].items()
    ]
    text = (
        f"A label is suspected where {RULE}. "
        f"{_unseen(runs, bool(results['study']['widths']))}, and no human judgement enters. "
        f"Suspected are {listed(counts)}"
        + (
            f". The runs are unanimous on {labels['unanimous']:,} of those in test."
            if labels["unanimous"] and runs > 2
            else "."
        )
    )
    if results["failures"]["named"]:
        named = [
            f"image {row['id']} (recorded {name(row['true'])}, rather {name(row['suggested'])}"
            + (f"; reviewers: {escape(row['reviewers'])})" if row.get("reviewers") else ")")
            for row in labels["named"]
        ]
        text += (
            f" Of the named cases, {listed(named)} {'is' if len(named) == 1 else 'are'} among them."
            if named
            else " No named case is among them."
        )
    if labels["splits"]["test"]["suspected"]:
        labels_shown = ["tab-suspected"] + ["fig-suspected"] * (
            results["study"]["image_size"] is not None
        )
        text += (
            f" {see(*labels_shown)} show{'' if labels_shown[1:] else 's'} the most doubtful ones."
        )
    return f"{text} {worth(results)}".rstrip()


def worth(results: dict) -> str:
    """Precision and recall of the suspicion, against the phantom's record or against the
    reviewers."""
    opinion = results["failures"]["known"]["opinion"]
    if opinion is None or not opinion["suspected"]["all"]:
        return ""
    found = opinion["suspected"]
    if not found["found"] or not found["wanted"]:
        return "How often the suspicion is right cannot be said: " + (
            "none of the suspected test labels was looked at."
            if found["wanted"]
            else "no test label is known to be wrong."
        )
    if opinion["source"] == "planted":
        return (
            f"The phantom knows its {plural(found['wanted'], 'planted label error')} in test. Of "
            f"the suspected labels {bounded(found['precision'])} were planted, of the planted ones "
            f"{bounded(found['recall'])} are suspected. Nothing in the rule was fitted; what is "
            "wrongly suspected are errors that the runs share, whatever their cause."
        )
    alike = opinion["named_alike"]
    return (
        f"Reviewers looked at {found['found']:,} of the {found['all']:,} suspected test labels "
        f"and did not confirm {bounded(found['precision'])} (most of five must: “both” confirms "
        f"no label alone). Of all {found['wanted']:,} that they did not confirm, the named cases "
        f"left out, {bounded(found['recall'])} are suspected. "
        + (
            "Where they settled on another class, the runs suggest the same for "
            f"{bounded(alike)} of {plural(alike['of'], 'image')}. "
            if alike["of"]
            else ""
        )
        + f"They were shown {opinion['reviewed']:,} images that confident learning with another "
        "network had picked, so nothing is known of the other labels: recall is of the errors "
        "found that way."
    )


def rescored_text(results: dict) -> str:
    """The headline numbers without known label errors and without near-duplicates."""
    known, before = results["failures"]["known"], results["failures"]["before"]
    parts = []
    if known["opinion"]:
        opinion = known["opinion"]
        what = plural(
            opinion["rejected"],
            *(
                ("planted label error",)
                if opinion["source"] == "planted"
                else (
                    "label that most reviewers did not confirm",
                    "labels that most reviewers did not confirm",
                )
            ),
        )
        shown = (
            ""
            if opinion["source"] == "planted"
            else f" of the {opinion['reviewed']:,} that they were shown"
        )
        parts.append(f"The test split has {what}{shown}. " + errors_of_labels(opinion, before))
    repeated = results["failures"]["repeated"]
    if repeated is not None:
        parts.append(repeated_text(repeated, before))
    elif known["duplicates"] is not None:
        parts.append(
            f"{plural(known['duplicates'], 'test image')} "
            f"{'has' if known['duplicates'] == 1 else 'have'} a near-duplicate in the official "
            "train file or in the test split."
        )
    if known["sets"]:
        after = results["failures"]["after"]
        parts.append(
            changes(known["sets"], before, after) if after else levels(known["sets"], before)
        )
    if known["missing"]:
        gain = ["with labels that most reviewers did not confirm removed and corrected"] * (
            known["opinion"] is None
        )
        gain += ["without near-duplicates"] * (known["duplicates"] is None)
        parts.append(
            f"The headline numbers {listed(gain)} are not given: "
            f"{listed([f'`{file}`' for file in known['missing']])} "
            f"{'is' if len(known['missing']) == 1 else 'are'} not in the data folder (`make data` "
            f"says where to get {'it' if len(known['missing']) == 1 else 'them'})."
        )
    return (
        " ".join(parts)
        or "Nothing is known of wrong labels or near-duplicates in this test split beyond what "
        "the runs suspect."
    )


def repeated_text(found: dict, before: str) -> str:
    """Own test pictures that stand elsewhere as well: lib.evaluation.duplicates."""
    if not found["repeated"]:
        return "No test image was found to be another one's copy."
    words = {"train": "train", "val": "validation", "test": "test"}
    said = [
        f"{number:,} {'is' if number == 1 else 'are'} {'nearly ' * (kind != 'equal')}equal to one "
        f"of {words[split]}"
        for kind, of_split in found["kinds"].items()
        for split, number in of_split.items()
    ]
    other = found["other_label"]
    labels = f"; {other:,} bear{'s' * (other == 1)} another label than it" * bool(other)
    near = (
        f" That two are nearly equal is what the features of {name(before)} say, and a suspicion."
        * bool(found["kinds"].get("near"))
    )
    return f"Of {plural(found['images'], 'test image')} {listed(said)}{labels}.{near}"


def errors_of_labels(opinion: dict, before: str) -> str:
    if not opinion["errors"]:
        return f"{start(before)} makes no error."
    text = f"They are {bounded(opinion['rejected_among_errors'])} of the errors of {name(before)}."
    sure = f"at {level(opinion['sure'])} confidence or more after temperature scaling."
    if not opinion["sure_errors"]:
        return f"{text} It makes none {sure}"
    return f"{text} They are {bounded(opinion['rejected_among_sure_errors'])} of its errors {sure}"


def changes(sets: list[dict], before: str, after: str) -> str:
    """Whether the verdict on the change between two networks survives every set of images."""
    words = {
        "higher": "gets more right than",
        "lower": "gets fewer right than",
        "none": "is not found to differ from",
    }
    said = [verdict(one["change"]) for one in sets]
    ends = [
        points(one["change"]["estimate"])
        for one in sorted(sets, key=lambda one: one["change"]["estimate"])
    ]
    if set(said) == {"none"}:
        text = (
            f"On none of {len(sets)} sets of test images was a difference between the networks of "
            f"{name(before)} and {name(after)} found: estimates from {ends[0]} to {ends[-1]} points"
        )
    elif len(set(said)) == 1:
        number = "both" if len(sets) == 2 else f"all {len(sets)}"
        text = (
            f"The network of {name(after)} {words[said[0]]} that of {name(before)} on {number} "
            "sets of test images"
        )
        text += f": estimates from {ends[0]} to {ends[-1]} points"
    else:
        text = (
            f"The verdict depends on the set of test images: the network of {name(after)} "
        ) + "; it ".join(
            f"{words[which]} that of {name(before)} on {count(said.count(which))} of {len(sets)}"
            for which in words
            if which in said
        )
    return (
        f"{text} ({see('tab-rescored')}). The sets overlap, so they are no independent "
        "confirmations."
    )


def levels(sets: list[dict], arm: str) -> str:
    """The accuracy of the one arm on every set of images."""
    shares = sorted(one["accuracy"][arm] for one in sets)
    return (
        f"Its accuracy lies between {percent(shares[0])} and {percent(shares[-1])} on "
        f"{len(sets)} sets of test images ({see('tab-rescored')})."
    )


def severity(results: dict) -> str:
    """How far the errors of the arms compared are from the truth, by confidence, against chance;
    and which classes are confused."""
    failures = results["failures"]
    numbers = of_pair(failures["severity"], failures)
    pairs = f"{see('tab-confused')} has the pairs that are confused most." * bool(
        failures["confused"]
    )
    matrices = "matrices" if failures["after"] else "matrix"
    shown = [pairs, f"{see('fig-confusion')} has the confusion {matrices}."]
    if numbers is None:
        alike_all = "These classes have no superclasses, so that every error counts alike."
        return " ".join(filter(None, [alike_all, *shown]))
    parts = [
        f"Of {plural(of_arm['errors'], 'error')}, {name(arm)} keeps {bounded(of_arm['within'])} "
        "inside the true superclass."
        for arm, of_arm in numbers["arms"].items()
        if of_arm["errors"]
    ]
    chance = alike(numbers, lambda of_arm: percent(of_arm["chance"]))
    text = (
        "There is no error to weigh."
        if not parts
        else " ".join(parts)
        + f" Of wrong classes drawn at random {chance} would be there ({see('fig-severity')})."
    )
    before = failures["before"]
    return " ".join(
        filter(
            None,
            [
                text,
                by_confidence(numbers["arms"][before], before),
                distance(numbers, failures),
                *shown,
            ],
        )
    )


def of_pair(numbers: dict | None, failures: dict) -> dict | None:
    """The numbers of the arms before and after alone."""
    if numbers is None:
        return None
    arms = {arm: of for arm, of in numbers["arms"].items() if arm in compared(failures)}
    return numbers | {"arms": arms}


def alike(numbers: dict, said) -> str:
    """What is said of each arm that makes errors (of all where none does), once where it is the
    same."""
    made = {arm: of_arm for arm, of_arm in numbers["arms"].items() if of_arm["errors"]}
    texts = {name(arm): said(of_arm) for arm, of_arm in (made or numbers["arms"]).items()}
    return (
        min(texts.values())
        if len(set(texts.values())) == 1
        else listed([f"{text} in {arm}" for arm, text in texts.items()])
    )


def by_confidence(of_arm: dict, arm: str) -> str:
    """Whether confident errors stay inside the superclass more often than less confident ones, by a
    test of trend over all of them; "" where they are too few to say."""
    trend = of_arm["trend"]
    if trend["found"] is None:
        return ""
    finding = {
        "rises": "the more confident an error, the more often it stays there",
        "falls": "the more confident an error, the less often it stays there",
        "none": "no trend with confidence was found",
    }[trend["found"]]
    return (
        f"By confidence after scaling, over all {trend['rows']:,} errors of {name(arm)}, {finding} "
        f"(Spearman's rank correlation {signed(trend['rho'], 2)}, {p_value(trend['p_value'])})."
    )


def distance(numbers: dict, failures: dict) -> str:
    """The mean superclass distance, of all images and of the errors alone."""
    levels = listed([f"{of['distance']:.3f} in {name(arm)}" for arm, of in numbers["arms"].items()])
    random = alike(numbers, lambda of_arm: f"{of_arm['chance_distance']:.2f}")
    text = (
        "The superclass distance of a prediction is 0 if right, 1 for another class of the true "
        f"superclass, 2 beyond it. Its mean over all test images is {levels}. Of an error at "
        f"random it would be {random} on average."
    )
    change = numbers["distance_of_errors_change"]
    if not failures["after"] or missing(change["low"]):
        return text
    word = {
        "higher": "farther off than",
        "lower": "nearer than",
        "none": "not found to differ in distance from",
    }[verdict(change)]
    return (
        f"{text} Over the errors alone, where accuracy has no share, those of the network of "
        f"{name(failures['after'])} are {word} those of {name(failures['before'])} "
        f"({with_interval(change, 3)})."
    )

"""The exhibits of notebook 04: the arms side by side, confidence, calibration, what changed image
by image, rejection, the effects of factors, corrupted images."""

import pandas as pd

from lib.evaluation import ablation, candidates, changes, metrics, rejection, robustness, summary
from lib.evaluation import calibration as calibration_of
from lib.evaluation.per_image import columns, temperature
from lib.report import claims, pictures, style
from lib.report import comparison as words
from lib.report.candidates import protocols_asked
from lib.report.chapters import confidence as of_confidence
from lib.report.chapters import measures as of_measures
from lib.report.chapters import robustness as of_corruptions
from lib.report.exhibits import show_figure, show_table

P_VALUES = ["p_value", "p_adjusted"]


def training(here) -> None:
    """The curves of every arm's training, a figure an arm."""
    histories = {
        arm: pd.concat([run.history for run in of_seeds.values()])
        for arm, of_seeds in here.runs.items()
        if arm in here.parameters
    }
    if not histories:
        return
    highest = max(history.filter(like="_loss").max(axis=None) for history in histories.values())
    for arm, history in histories.items():
        milestones = here.first[arm].info["params"]["milestones"]
        colour = style.colours(here.p.arms)[arm]
        axes = style.training_curves(history, milestones, colour=colour)
        # one scale for all arms, whose figures are held side by side
        axes[0].set_ylim(0, 1.05 * highest)
        axes[1].set_ylim(0, 1)
        show_figure(
            axes[0].figure,
            f"training-{arm}",
            **style.training(arm, history, milestones),
            folder=here.folder,
            data=history,
        )


def arms(here, numbers: dict[str, dict]) -> None:
    """The arms side by side; numbers: arm to lib.evaluation.summary.arm_numbers."""
    caption = words.arms(list(here.p.arms), here.seeds_of_arms)
    show_table(summary.arms_table(numbers), "arms", caption, here.folder)


def change(here, paired: dict, numbers: dict[str, dict]) -> None:
    """Every number's change; paired: lib.evaluation.changes.paired_numbers."""
    show_table(
        changes.changes_table(paired, numbers, here.pair),
        "changes",
        words.changes(*here.pair, here.seeds),
        here.folder,
        view=changes.changes_view(paired, numbers, here.pair),
    )


def cases(here, cases: pd.DataFrame) -> None:
    """The images looked at, in both arms; cases: lib.evaluation.summary.cases_before_after."""
    formats, caption = words.case_formats(here.pair), words.cases(here.pair, here.seeds)
    view = summary.cases_view(cases)
    show_table(cases, "cases", caption, here.folder, formats=formats, view=view)


def confidence(here, numbers: dict[str, dict]) -> None:
    """Confidence of wrong and of right predictions."""
    sure = {arm: summary.confidences(of_seeds) for arm, of_seeds in here.runs.items()}
    show_figure(
        style.confidence_histograms(sure)[0].figure,
        "confidence",
        **words.confidence(numbers, here.seeds_of_arms),
        folder=here.folder,
        data=summary.histogram(sure),
    )


def thresholds(here, counts: pd.DataFrame, deviations: pd.DataFrame) -> None:
    """Errors made with at least each confidence; both: lib.evaluation.summary.errors_by_level."""
    show_figure(
        style.errors_by_threshold(counts, deviations).figure,
        "thresholds",
        **words.thresholds(counts, here.seeds_of_arms),
        folder=here.folder,
        data=counts.reset_index(),
    )


def confident_errors(here, table: pd.DataFrame) -> None:
    """Confident errors, among equally many predictions as well."""
    view = summary.confident_errors_view(table)
    caption = words.confident_errors(here.seeds_of_arms, bool(table["ceiling"].notna().any()))
    show_table(table, "confident-errors", caption, here.folder, view=view)


def calibration(here, numbers: dict[str, dict]) -> None:
    """Calibration with and without temperature scaling."""
    table, view = summary.calibration(numbers), summary.calibration_view(numbers)
    caption = words.calibration_caption(here.seeds_of_arms)
    show_table(table, "calibration", caption, here.folder, view=view)


def _after_scaling(of_seeds: dict) -> pd.DataFrame:
    """lib.evaluation.summary.reliability after temperature scaling."""
    tables = []
    for seed, run in of_seeds.items():
        confidence = columns(run.test, temperature(run)).confidence
        tables.append(calibration_of.reliability(confidence, run.test.correct).assign(seed=seed))
    return pd.concat(tables, ignore_index=True)


def reliability(here, bins: dict[str, pd.DataFrame], numbers: dict[str, dict]) -> None:
    """Accuracy against confidence; bins: arm to lib.evaluation.summary.reliability."""
    scaled = {arm: _after_scaling(of_seeds) for arm, of_seeds in here.runs.items()}
    show_figure(
        of_confidence.reliability_figure(bins, scaled=scaled)[0, 0].figure,
        "reliability",
        **words.reliability_caption(numbers, here.seeds_of_arms),
        folder=here.folder,
        data=pd.concat([table.assign(arm=arm) for arm, table in bins.items()]).round(4),
    )


def changed(here) -> list[str]:
    """The pictures that one arm alone gets right, or none of the two, a gallery a kind; returns
    their names."""
    tables = [here.tables[arm] for arm in here.pair]
    of_pair = [here.runs[arm] for arm in here.pair]
    steady, churn = changes.steadiness(*of_pair), changes.churn(*of_pair, here.pair)
    chosen = pictures.most_confident(*tables, steady)
    drawn = {kind: few for kind, few in chosen.items() if len(few)}
    for kind, few in drawn.items():
        images = here.splits.test.images[few["position"]].numpy()
        total = pictures.total(*tables, kind)
        show_figure(
            pictures.failure_gallery(images, pictures.titles(few)),
            kind.replace(" ", "-"),
            **words.gallery(kind, few, total, here.pair, here.seeds, churn),
            folder=here.folder,
            vector=False,
            data=few.drop(columns=["position", "sure"]),
        )
    return [kind.replace(" ", "-") for kind in drawn]


def churn(here, churn: dict) -> None:
    """How many images two networks disagree on; churn: lib.evaluation.changes.churn."""
    table, caption = changes.churn_table(churn), words.churn_caption(here.seeds)
    columns = ("another class predicted", "right in one, wrong in the other")
    show_table(table, "churn", caption, here.folder, formats=dict.fromkeys(columns, "{:.1%}"))


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def classes(here, classes: pd.DataFrame) -> None:
    """The change of every class, and of the few that change most; classes:
    lib.evaluation.changes.class_table."""
    figures = {"classes": (classes, style.SHOWN_CLASSES)}
    if classes["change"].notna().sum() > style.FEW_CLASSES:
        figures |= {"classes-few": (style.at_ends(classes, style.FEW_CLASSES), style.FEW_CLASSES)}
    for name, (drawn, shown) in figures.items():
        show_figure(
            style.per_class_change(drawn, here.pair)[0].figure,
            name,
            **words.classes(classes, *here.pair, here.seeds, shown),
            folder=here.folder,
            data=drawn.round(3).assign(**drawn[P_VALUES].map(_three_digits)).reset_index(),
        )


def rejected(here, rejected: pd.DataFrame) -> None:
    """Coverage and risk at some thresholds; rejected: lib.evaluation.rejection.rejection."""
    view = rejection.rejection_view(rejected)
    show_table(rejected, "rejection", words.rejection(here.seeds_of_arms), here.folder, view=view)


def coverage(here, curves: dict[str, pd.DataFrame], numbers: dict[str, dict]) -> None:
    """Risk against coverage; curves: arm to lib.evaluation.rejection.curve."""
    show_figure(
        of_confidence.risk_coverage(curves, here.p.target_risk).figure,
        "coverage",
        **words.coverage(numbers, here.seeds_of_arms, here.p.target_risk),
        folder=here.folder,
        data=rejection.curve_table(curves),
    )


def promises(here, promises: pd.DataFrame) -> None:
    """What became of thresholds chosen on validation, of the arms compared and, where there are
    more, of all; from lib.evaluation.rejection.promises."""
    of_pair = promises[promises["arm"].isin(here.pair)]
    tables = {"promises": of_pair}
    if len(of_pair) < len(promises):
        tables["promises-all"] = promises
    for name, table in tables.items():
        caption, view = words.promises(here.p.target_risk), rejection.promises_view(table)
        show_table(table, name, caption, here.folder, view=view)


def scores(here, numbers: dict[str, dict], score_changes: dict) -> None:
    """Other scores to reject by; score_changes: lib.evaluation.rejection.score_changes."""
    table, view = rejection.scores(numbers), rejection.scores_view(numbers, score_changes)
    show_table(table, "scores", words.scores_caption(here.seeds_of_arms), here.folder, view=view)


def effects(here, effects: list[dict]) -> None:
    """The effects of factors, as a table and as a figure, from lib.evaluation.ablation.measured."""
    table, view = ablation.effects_table(effects), ablation.effects_view(effects)
    show_table(table, "ablation", words.effects_table(here.seeds_of_arms), here.folder, view=view)
    show_figure(
        words.effects_figure(effects)[0].figure,
        "ablation",
        **words.effects_caption(effects, here.seeds_of_arms),
        folder=here.folder,
        data=table.round(4),
    )


def corruptions(here, chosen) -> None:
    """One image under every corruption; chosen: lib.evaluation.robustness.subset."""
    place = of_corruptions.example(chosen)
    label = here.splits.class_names[chosen.labels[place]]
    show_figure(
        of_corruptions.examples_figure(chosen, place),
        "corruptions",
        **of_corruptions.examples_caption(chosen.index[place], label, chosen.images.shape[-1]),
        folder=here.folder,
        vector=False,
        data=of_corruptions.drawn(chosen, place),
    )


def corrupted_accuracy(here, measured: pd.DataFrame, robust: dict) -> None:
    """Accuracy against severity; both are lib.evaluation.robustness.measure_robustness."""
    show_figure(
        of_corruptions.accuracy_figure(measured)[0, 0].figure,
        "robustness",
        **of_corruptions.accuracy_caption(robust),
        folder=here.folder,
        data=measured.round(3),
    )


def corrupted_tables(here, measured: pd.DataFrame, robust: dict) -> None:
    """The same by corruption, and by arm."""
    p, folder = here.p, here.folder
    view = robustness.by_corruption(measured, robust.get("accuracy_changes"), p.after)
    caption = of_corruptions.by_corruption(robust, p.before, p.after)
    show_table(measured, "robustness", caption, folder, view=view)
    by_arm = robustness.by_arm(robust)
    formats, caption = of_corruptions.arm_formats(by_arm), of_corruptions.by_arm(robust)
    show_table(by_arm, "robustness-arms", caption, folder, formats=formats)


def measures(here, measures: dict) -> None:
    """Numbers that readers expect besides; measures: lib.evaluation.metrics.numbers."""
    of_classes, sets = measures["classes"], measures["sets"]
    of_pair = {arm: of_classes[arm] for arm in here.pair}
    for name, table, view in (
        ("measures", metrics.classes.class_numbers_view(of_classes), None),
        ("class-ends", metrics.classes.ends_view(of_pair), None),
        ("sets", pd.DataFrame(sets), metrics.conformal.sets_view(sets)),
    ):
        show_table(table, name, of_measures.CAPTIONS[name], here.folder, view=view)


def groups(here, found: dict) -> None:
    """The arms by group; found: lib.evaluation.metrics.of_groups."""
    table, view = metrics.groups.groups_table(found), metrics.groups.groups_view(found)
    show_table(table, "groups", of_measures.CAPTIONS["groups"], here.folder, view=view)


def outside(here, found: dict) -> None:
    """Pictures of no class; found: lib.evaluation.metrics.of_outside."""
    if found["scores"]:
        table, view = pd.DataFrame(found["scores"]), metrics.outside.outside_view(found)
        show_table(table, "outside", of_measures.CAPTIONS["outside"], here.folder, view=view)


def stand_ins(here, numbers: dict, sampled: dict) -> dict:
    """What claims are held against besides: every other arm in place of the one before, that arm
    tested otherwise where the claims ask for it, and each arm's epochs."""
    of_pair = (here.runs, here.pair, numbers, sampled)
    of_study = (here.splits, here.selection, here.p.equivalence_margin)
    asked = protocols_asked(claims.read_claims(here.p.claims), here.p.before)
    return {
        "candidates": candidates.in_place_of(*of_pair, *of_study)
        | candidates.tested(asked, *of_pair, here.p.reject_below, *of_study),
        "histories": candidates.histories({arm: here.runs[arm] for arm in here.parameters}),
    }

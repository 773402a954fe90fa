"""What stands under a figure and what is read aloud in its place; every number comes from the data drawn."""
import pandas as pd

from lib.figures import escape


def readable(name: str) -> str:
    """A class or arm name as prose wants it: "oak_tree" is "oak tree"."""
    return " ".join(str(name).replace("_", " ").split())


def training(arm: str, history: pd.DataFrame, milestones: list[int]) -> dict[str, str]:
    last = history.iloc[-1]
    steps = " and ".join(str(m) for m in milestones)
    return {
        "caption": f"Training of {escape(readable(arm))}. The stream is what the optimiser saw (augmented, under CutMix mixed, where a right answer "
                   "counts by its share); the other two curves are measured on clean images in eval mode."
                   + (f" Dashed: the learning rate is divided by 10 after epoch {steps}." if steps else ""),
        "alt": f"Loss and accuracy of {readable(arm)} over {len(history)} epochs; at the end {last['train_accuracy']:.1%} on clean train "
               f"images and {last['val_accuracy']:.1%} on validation.",
    }


def failures(selection: pd.DataFrame, arm: str) -> dict[str, str]:
    named, mined = (selection["why"] == "named").sum(), (selection["why"] == "mined").sum()
    parts = ([f"the {named} named cases"] if named else []) + ([f"the {mined} most confident errors, at most one for a pair of classes"] if mined else [])
    listed = "; ".join(f"{readable(row.true)} predicted {readable(row.predicted)} ({row.confidence:.0%})" for row in selection.itertuples())
    return {"caption": f"Test images of {escape(readable(arm))}: {' and '.join(parts) or 'none'}. Above each: id, true class, predicted class with its confidence"
                       + (", planted cause." if "cause" in selection else "."),
            "alt": f"Pictures of {len(selection)} test images: {listed or 'none'}."}


def gradcam(selection: pd.DataFrame, layer: str, arm: str) -> dict[str, str]:
    return {"caption": f"Grad-CAM of {escape(readable(arm))} at {layer} for the predicted class, for the true class, and their difference. Raw maps on one scale: "
                       "red cells raise the logit, blue cells lower it; a cell is what the network can tell apart at this layer.",
            "alt": f"Rows of a picture and three maps for {len(selection)} test images: " + "; ".join(
                f"{readable(row.true)} predicted {readable(row.predicted)}" for row in selection.itertuples()) + "."}


def before_after(selection: pd.DataFrame, layer: str, before: str, after: str) -> dict[str, str]:
    return {"caption": f"The same images in {escape(readable(before))} and {escape(readable(after))}: Grad-CAM at {layer} for the class that {escape(readable(before))} "
                       "predicted and for the true class, all on one scale.",
            "alt": f"Rows of a picture and the maps of two arms, {readable(before)} and {readable(after)}, for {len(selection)} test images."}


def confidence(numbers: dict) -> dict[str, str]:
    means = "; ".join(f"{readable(arm)} {of_arm['confidence_on_errors']['mean']:.1%} on wrong and {of_arm['confidence_on_right']['mean']:.1%} on right predictions"
                      for arm, of_arm in numbers.items()
                      if of_arm["confidence_on_errors"]["mean"] is not None and of_arm["confidence_on_right"]["mean"] is not None)
    return {"caption": "Confidence, the largest softmax probability before any scaling, of wrong and of right test predictions.",
            "alt": f"Histograms of confidence. Mean confidence: {means}."}


def thresholds(counts: pd.DataFrame) -> dict[str, str]:
    said = "; ".join(f"at least {level:.0%}: " + ", ".join(f"{readable(arm)} {row[arm]}" for arm in counts) for level, row in counts.iterrows())
    return {"caption": "Test errors made with at least the given confidence.", "alt": f"Counts of errors by confidence. {said}."}


def classes(change: pd.DataFrame, before: str, after: str) -> dict[str, str]:
    ranked = change.dropna(subset="change").sort_values("change", ascending=False)
    ends = f"from {ranked['change'].iloc[-1]:+.1f} points ({readable(ranked.index[-1])}) to {ranked['change'].iloc[0]:+.1f} points ({readable(ranked.index[0])})"
    return {"caption": f"Change of test accuracy from {escape(readable(before))} to {escape(readable(after))}, class by class, with 95 % intervals for paired proportions "
                       "(Bonett and Price). Coloured: beyond chance after Benjamini–Hochberg over all classes; grey: within it.",
            "alt": f"Change of accuracy of {len(ranked)} classes, {ends}."}


def coverage(numbers: dict) -> dict[str, str]:
    said = "; ".join(f"{readable(arm)} {of_arm['aurc']['mean']:.3f}" for arm, of_arm in numbers.items())
    return {"caption": "Risk against coverage: predictions are accepted from the most confident down.", "alt": f"Risk–coverage curves. Area under the curve: {said}."}


def reliability(numbers: dict) -> dict[str, str]:
    said = "; ".join(f"{readable(arm)} {of_arm['ece']['mean']:.3f}" for arm, of_arm in numbers.items())
    return {"caption": "Reliability before scaling: accuracy against confidence in 15 bins of equal width, and the images in each bin. On the diagonal, confidence means what it says.",
            "alt": f"Reliability diagrams. Expected calibration error: {said}."}


def shorten(name: str, length: int = 15) -> str:
    """A class name that fits over a picture; matplotlib reads $ as mathematics, so it is escaped."""
    name = readable(name)
    return (name if len(name) <= length else name[:length - 1] + "…").replace("$", r"\$")


def titles(selection: pd.DataFrame) -> list[str]:
    """Two or three short lines over a picture: id and true class, prediction and confidence, planted cause."""
    def one(row):
        lines = [f"{row.id} {shorten(row.true)}", f"→ {shorten(row.predicted)} {row.confidence:.0%}"]
        return "\n".join(lines + ([readable(row.cause)] if "cause" in selection else []))

    return [one(row) for row in selection.itertuples()]


def against(row) -> str:
    """The class held against the true one: the wrong prediction, or the runner-up of a right one."""
    return row.runner_up if row.correct else row.predicted


def map_titles(selection: pd.DataFrame) -> list[list[str]]:
    return [[f"for {shorten(against(row))}", f"for {shorten(row.true)}", "difference"] for row in selection.itertuples()]


def arm_titles(selection: pd.DataFrame, arms) -> list[list[str]]:
    return [[f"{shorten(arm)}:\nfor {shorten(name)}" for arm in arms for name in (against(row), row.true)] for row in selection.itertuples()]


def hypotheses(selection: pd.DataFrame, arm: str) -> str:
    named = (selection["why"] == "named").any()
    return f"The test images looked at, as {escape(readable(arm))} predicts them. " + (
        "Hypotheses are those of the named cases; they are stated, not tested here." if named else "No hypotheses were stated beforehand.")


def causes() -> str:
    return "Test accuracy by planted cause, with 95 % Clopper–Pearson intervals. A label error counts as an error even where the network is right."


def arms(seeds: list[int]) -> str:
    return "The arms side by side, on test unless said otherwise; " + (
        f"one seed ({seeds[0]})." if len(seeds) == 1 else f"mean ± standard deviation of {len(seeds)} seeds.")


def cases(before: str, after: str) -> str:
    return f"The images looked at, in {escape(readable(before))} and in {escape(readable(after))}."


def rejection() -> str:
    return "Accepting only predictions with at least the given confidence: share accepted, errors among them, and the share of errors with its 95 % interval."


REJECTION_FORMATS = {"threshold": "{:.0%}", "coverage": "{:.1%}", "selective_risk": "{:.2%}", "risk_low": "{:.2%}", "risk_high": "{:.2%}"}

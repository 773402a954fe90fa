"""The numbers that arms are compared by: what each is called and how it is written."""

from typing import NamedTuple

from lib.base import text


class Measure(NamedTuple):
    """kind: "share" (written in percent, its changes in points), "points", "count" or "number"."""

    label: str
    kind: str


MEASURES = {
    "test_accuracy": Measure("Test accuracy", "share"),
    "errors": Measure("Test errors", "count"),
    "train_accuracy": Measure("Train accuracy, clean images, eval mode", "share"),
    "val_accuracy": Measure("Validation accuracy", "share"),
    "train_val_gap": Measure("Train–validation gap, points", "points"),
    "errors_ge_90": Measure("Errors at ≥ 90% confidence", "count"),
    "errors_ge_99": Measure("Errors at ≥ 99% confidence", "count"),
    "confidence_on_errors": Measure("Mean confidence on errors", "share"),
    "confidence_on_right": Measure("Mean confidence on right predictions", "share"),
    "temperature": Measure("Temperature, fitted on validation", "number"),
    "ece": Measure("ECE, bins of equal width", "number"),
    "ece_mass": Measure("ECE, bins of equal count", "number"),
    "ece_classwise": Measure("Class-wise ECE", "number"),
    "nll": Measure("Negative log-likelihood, nats", "number"),
    "brier": Measure("Brier score", "number"),
    "ece_scaled": Measure("ECE after scaling", "number"),
    "ece_mass_scaled": Measure("ECE after scaling, bins of equal count", "number"),
    "ece_classwise_scaled": Measure("Class-wise ECE after scaling", "number"),
    "nll_scaled": Measure("Negative log-likelihood after scaling, nats", "number"),
    "brier_scaled": Measure("Brier score after scaling", "number"),
    "aurc": Measure("AURC", "number"),
    "e_aurc": Measure("E-AURC", "number"),
    "augrc": Measure("AUGRC", "number"),
}


def missing(value) -> bool:
    return value is None or value != value


def written(name: str, value, plain: bool = True) -> str | None:
    """A value as text, None for a missing one; `plain` whole numbers for counts, else one decimal."""
    if missing(value):
        return None
    kind = MEASURES[name].kind
    if kind == "share":
        return text.percent(value)
    return {
        "points": f"{100 * value:.1f}",
        "count": f"{value:,.{0 if plain else 1}f}",
        "number": f"{value:.3f}",
    }[kind].replace("-", "−")


def with_spread(name: str, entry: dict) -> str | None:
    """A mean over seeds, with its standard deviation when there are several."""
    one = entry["n"] == 1
    shown = written(name, entry["mean"], one)
    return (
        shown
        if one or shown is None or missing(entry["sd"])
        else f"{shown} ± {written(name, entry['sd'], False)}"
    )


def _scale(name: str, seeds: int) -> tuple[int, int]:
    """Digits, and what the number is multiplied by: shares in points."""
    kind = MEASURES[name].kind
    return {"share": (1, 100), "points": (1, 100), "count": (0 if seeds == 1 else 1, 1)}.get(
        kind, (3, 1)
    )


def with_interval(name: str, change: dict, seeds: int = 1) -> str:
    """ "−2.6 (−3.4 to −1.8)", shares in points."""
    return "{} ({} to {})".format(*text.differences(change, *_scale(name, seeds)))


def change_text(name: str, change: dict, seeds: int = 1) -> str:
    """ "−2.6 points, 95% interval −3.4 to −1.8"."""
    return text.with_interval(
        change, *_scale(name, seeds), " points" if MEASURES[name].kind == "share" else ""
    )

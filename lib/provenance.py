"""Where a study's numbers come from: its parameters, machines, versions, seconds."""

from pathlib import Path

import nbformat
import pandas as pd

from lib.base.text import listed
from lib.training import released

RUNS_CAPTION = "The runs. A released one was trained where the row says and is kept with the project; RETRAIN=1 trains it here."
NAMES = (
    "arm",
    "seed",
    "study",
    "outputs",
    "root",
)  # parameters that say which run it is, not how it was trained
FACTORS = ("augment", "cutmix_probability", "label_smoothing")
RECIPE = (
    "width",
    "epochs",
    "milestones",
    "batch_size",
    "learning_rate",
    "momentum",
    "weight_decay",
)


def _trained_with(of_seeds: dict) -> dict[str, str]:
    """Every parameter of an arm as text, and what its runs found: threads, device and precision; seeds that differ are listed."""
    each = [
        run.info["params"]
        | {
            "device": run.info["fingerprint"]["device_name"],
            "precision": run.info["fingerprint"]["precision"],
            "threads": run.info["fingerprint"]["threads"],
        }
        for run in of_seeds.values()
    ]
    return {
        name: " or ".join(dict.fromkeys(str(values[name]) for values in each))
        for name in each[0]
        if name not in NAMES
    }


def _said(name: str, value: str, first: str | None) -> str:
    """A parameter in words; of the interventions a study is about, in the field's."""
    if name == "augment":
        return "crop and flip" if value == "True" else "neither crop nor flip"
    if name == "cutmix_probability":
        return f"CutMix of a batch with probability {value}" if value != "0.0" else "no CutMix"
    if name == "label_smoothing":
        return f"label smoothing {value}" if value != "0.0" else "no label smoothing"
    return f"{name.replace('_', ' ')} {value} (else {first})"


def differences(runs_of_arms: dict) -> dict[str, str]:
    """How each arm's training differs from the first arm's, as text."""
    parameters = {arm: _trained_with(of_seeds) for arm, of_seeds in runs_of_arms.items()}
    first = next(iter(parameters.values()))
    texts = {}
    for arm, values in parameters.items():
        changed = [
            _said(name, values[name], first.get(name))
            for name in values
            if values[name] != first.get(name)
        ]
        on = listed(
            [
                _said(name, values[name], None)
                for name in FACTORS
                if values.get(name, "0.0") not in ("0.0", "False")
            ]
        )
        reference = (
            f"the reference, with {on}" if on else "the reference, with none of the interventions"
        )
        texts[arm] = ", ".join(changed) or (
            reference if values is first else "the same parameters as the first arm"
        )
    return texts


def _proof(of_seeds: dict) -> dict[str, float]:
    """Shares that differ between two readings: of train the smallest of the seeds, of the others the largest."""
    shares = pd.DataFrame(
        [run.info["share_that_differs_between_two_readings"] for run in of_seeds.values()]
    )
    return {
        split: float(shares[split].min() if split == "train" else shares[split].max())
        for split in shares
    }


def _mean_lambda(of_seeds: dict) -> float | None:
    values = [
        run.info["mean_lambda"] for run in of_seeds.values() if run.info["mean_lambda"] is not None
    ]
    return sum(values) / len(values) if values else None


def study_numbers(runs_of_arms: dict, splits) -> dict:
    """What the prose needs to say what was done, from the runs' records. The recipe is the first arm's; `varies` names what of
    it is not the same in every arm, `widths` and `epochs_of_arms` are those that occur."""
    first = {arm: next(iter(of_seeds.values())) for arm, of_seeds in runs_of_arms.items()}
    run, params = (
        next(iter(first.values())),
        {arm: one.info["params"] for arm, one in first.items()},
    )
    return {name: run.info["params"][name] for name in RECIPE} | {
        "varies": [
            name.replace("_", " ")
            for name in RECIPE
            if any(values[name] != run.info["params"][name] for values in params.values())
        ],
        "widths": sorted({values["width"] for values in params.values()}),
        "epochs_of_arms": sorted({values["epochs"] for values in params.values()}),
        "data": {"cifar100": "CIFAR-100", "phantom": "the phantom"}.get(splits.name)
        or f"the images in {Path(run.info['params']['root']).name}",
        "image_size": run.info["params"]["image_size"],
        "classes": len(splits.class_names),
        "sizes": {name: len(getattr(splits, name)) for name in ("train", "val", "test")},
        "data_digest": splits.digest,
        "parameters": run.info["parameters"],
        "seeds": list(next(iter(runs_of_arms.values()))),
        "differences": differences(runs_of_arms),
        "proof": {arm: _proof(of_seeds) for arm, of_seeds in runs_of_arms.items()},
        "mean_lambda": {arm: _mean_lambda(of_seeds) for arm, of_seeds in runs_of_arms.items()},
        "label_smoothing": {arm: values["label_smoothing"] for arm, values in params.items()},
    }


def runs_table(runs_of_arms: dict) -> pd.DataFrame:
    """One row a run: where and when it was trained, and how long that took."""
    return pd.DataFrame(
        [
            {
                "arm": arm,
                "seed": seed,
                "finished": run.info["finished"].replace("T", " ").removesuffix("+00:00") + " UTC",
                "commit": run.info["commit"],
                "device": run.info["fingerprint"]["device_name"],
                "threads": run.info["fingerprint"]["threads"],
                "precision": run.info["fingerprint"]["precision"],
                "run": "released" if released.is_released(run) else "trained here",
                "training, s": run.info["training_seconds"],
            }
            for arm, of_seeds in runs_of_arms.items()
            for seed, run in of_seeds.items()
        ]
    )


def stages_table(study: Path) -> pd.DataFrame:
    """Seconds of each executed notebook of the study."""
    rows = []
    for path in sorted(study.glob("0[2-4]_*.ipynb")):
        duration = nbformat.read(path, as_version=4).metadata.get("papermill", {}).get("duration")
        if duration is not None and not path.name.endswith(".part.ipynb"):
            rows.append({"stage": path.stem, "seconds": duration})
    return pd.DataFrame(rows, columns=["stage", "seconds"])


def parameters_table(runs_of_arms: dict) -> pd.DataFrame:
    """Every training parameter, a row each; one column an arm."""
    columns = {
        arm: next(iter(of_seeds.values())).info["params"] for arm, of_seeds in runs_of_arms.items()
    }
    names = [name for name in next(iter(columns.values())) if name not in NAMES]
    return pd.DataFrame(
        [
            {"parameter": name, **{arm: str(values.get(name)) for arm, values in columns.items()}}
            for name in names
        ]
    )


def versions_text(runs_of_arms: dict) -> str:
    versions = next(iter(next(iter(runs_of_arms.values())).values())).info["versions"]
    return ", ".join(f"{name} {number}" for name, number in versions.items())

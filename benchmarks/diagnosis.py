"""The rule of the diagnosis: fitted on the validation splits of phantoms 1 to 3, and the networks
of phantoms 43 to 46 it is scored on.

    python benchmarks/diagnosis.py fit
    python benchmarks/diagnosis.py networks

`fit` trains three baselines (5 min on two cores) and writes lib/diagnosis/rule.json; `networks`
trains four and writes released/phantom/data-<seed>. Both go on where they were interrupted. No test
image is read, and the phantom of the default study (42) takes no part in the fit.
"""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.base import artefacts
from lib.data import dataset  # noqa: E402
from lib.diagnosis import evidence, verdict
from lib.training import inference, record

FITTED, SCORED = (1, 2, 3), (43, 44, 45, 46)
# images: the validation split starts with the 2,000 that the network's temperature is fitted on,
# which are left out
VAL_SIZE = 6_000
STRENGTH = 1.0  # scikit-learn's C, its default


def train(seed: int) -> Path:
    """The folder of the baseline of the phantom with that data seed, trained with the parameters of
    the study phantom."""
    place = artefacts.ROOT / "outputs" / f"phantom-data-{seed}" / "baseline" / "seed-42"
    files = [
        f for name in ("train", "arms/baseline") for f in ("-f", f"params/phantom/{name}.yaml")
    ]
    values = {
        "study": f"phantom-data-{seed}",
        "outputs": "outputs",
        "arm": "baseline",
        "seed": "42",
        "data_seed": str(seed),
    }
    subprocess.run(
        [
            sys.executable,
            "-m",
            "lib.pipeline.execute",
            "notebooks/01_train.ipynb",
            str(place / "train.ipynb"),
            *files,
            *(word for name, value in values.items() for word in ("-p", name, value)),
        ],
        cwd=artefacts.ROOT,
        check=True,
    )
    return place


def validation_errors(place: Path) -> pd.DataFrame:
    """Statistics of every error on validation images that the network's temperature was not fitted
    on, and what was planted."""
    run = record.load_run(place)
    splits = dataset.load_for(run.info["params"], run.info["data_digest"])
    model = record.load_model(run, len(splits.class_names))
    more = dataset.load(
        "phantom",
        sizes={"train": 20, "val": VAL_SIZE, "test": 20},
        seed=run.info["params"]["data_seed"],
    ).val
    new = slice(len(splits.val), None)
    more = dataset.Split(
        more.images[new], more.labels[new], more.index[new], more.planted.iloc[new]
    )
    logits = inference.logits(model, more.images, splits.mean, splits.std)
    # in the place of test
    whole = dataclasses.replace(
        run, test=record.Predictions(more.index, more.labels.numpy(), logits)
    )
    found = evidence.examine(whole, model, dataclasses.replace(splits, test=more))
    return found.statistics.join(verdict.planted(more, found.position, found.wrong))


def fit() -> None:
    torch.set_num_threads(1)
    errors = pd.concat([validation_errors(train(seed)) for seed in FITTED], ignore_index=True)
    errors = errors[errors["acts"]]
    values = errors[list(evidence.STATISTICS)].to_numpy()
    centre, scale = np.nanmean(values, 0), np.nanstd(values, 0)
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=5000, tol=1e-8)
    model.fit(np.nan_to_num((values - centre) / scale), errors["planted"])
    order = [list(model.classes_).index(cause) for cause in verdict.CAUSES]
    artefacts.write_json(
        verdict.RULE,
        {
            "fitted": {
                "phantoms": list(FITTED),
                "split": "val",
                "images": (VAL_SIZE - 2_000) * len(FITTED),
                "errors": len(errors),
                "by_cause": errors["planted"].value_counts().to_dict(),
            },
            "causes": list(verdict.CAUSES),
            "statistics": list(evidence.STATISTICS),
            "centre": np.round(centre, 4).tolist(),
            "scale": np.round(scale, 4).tolist(),
            "weights": np.round(model.coef_[order], 3).tolist(),
            "intercept": np.round(model.intercept_[order], 3).tolist(),
        },
    )


def networks() -> None:
    for seed in SCORED:
        place, target = train(seed), artefacts.ROOT / "released" / "phantom" / f"data-{seed}"
        for name in ("history.csv", "predictions.npz", "model.safetensors", "run.json"):
            artefacts.write_bytes(target / name, (place / name).read_bytes())


if __name__ == "__main__":
    verbs = {"fit": fit, "networks": networks}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        sys.exit(
            f"benchmarks/diagnosis.py: got {' '.join(sys.argv[1:])!r}; allowed: "
            f"{' or '.join(verbs)}"
        )
    verbs[sys.argv[1]]()

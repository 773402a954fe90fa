"""How often is something said of a method that the seeds alone did?

    python benchmarks/false_claims.py [--pairs 10] [--draws 500] [digits] [simulated] [released]

One arm is given as two: networks that differ in nothing but their seeds, three on either side, so
that whatever a comparison finds between them is false. Counted are the numbers of
lib.evaluation.changes.CHANGES of which a difference is found, and the pairs in which a class is
found to have moved beyond chance.

digits: small networks really trained, scikit-learn's on its 8x8 digits, six a pair.
simulated: logits with a difficulty of each image, and of each seed an effect on all images and one
on each class; of three sizes.
released: every two seeds of released/cifar100. One network a side, so that nothing is said of the
method; how often a difference of the two networks is found is what one seed would have claimed.

Three minutes on one core; the whole goes to benchmarks/results/false_claims.json.
"""

import argparse
import sys
import time
import warnings
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lib.base import artefacts
from lib.base.text import verdict
from lib.evaluation import changes, scope
from lib.evaluation.bootstrap import resample
from lib.evaluation.paired import classes_moved
from lib.evaluation.summary import arm_numbers
from lib.training import record

SEEDS = 3
RESULT = ROOT / "benchmarks" / "results" / "false_claims.json"


def findings(first: dict, second: dict, draws: int) -> tuple[str, list[str], list[str]]:
    """What a comparison of two arms {seed: run} is about, what it finds to differ, and what it
    would without correction for how many numbers are asked."""
    trained = {"first": first, "second": second}
    numbers = {arm: arm_numbers(runs) for arm, runs in trained.items()}
    temperatures = {arm: of_arm["temperature"]["each"] for arm, of_arm in numbers.items()}
    sampled = resample(trained, temperatures, draws)
    found = changes.paired_numbers(trained, ("first", "second"), numbers, sampled)
    # errors are accuracy once more
    asked = {name: change for name, change in found["changes"].items() if name != "errors"}
    differ = [name for name, change in asked.items() if change["found"] != "none"]
    uncorrected = [name for name, change in asked.items() if verdict(change) != "none"]
    names = [str(place) for place in range(len(next(iter(first.values())).test.logits[0]))]
    moved = classes_moved(changes.class_table(first, second, names))
    beyond = moved["better_beyond_chance"] + moved["worse_beyond_chance"]
    return found["about"], differ + ["classes"] * (beyond > 0), uncorrected


def a_run(seed: int, val: tuple, test: tuple) -> record.Run:
    """A run from (labels, logits) of validation and test."""
    parts = [
        record.Predictions(np.arange(len(labels)), labels, logits.astype(np.float32))
        for labels, logits in (val, test)
    ]
    history = pd.DataFrame({"epoch": [1], "stream_accuracy": [1.0], "val_loss": [1.0]})
    info = {"params": {"seed": seed}, "train_accuracy": 1.0}
    return record.Run(Path("."), info, history, *parts)


def digits(pairs: int):
    """Six networks a pair, trained on the same 300 digits with other seeds."""
    from sklearn.datasets import load_digits
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    train, val, test = np.split(order, [300, 600])

    warnings.simplefilter("ignore", ConvergenceWarning)  # 25 epochs are meant

    def network(seed):
        model = MLPClassifier((12,), max_iter=25, random_state=seed, solver="adam")
        model.fit(images[train] / 16, labels[train])
        return a_run(
            seed,
            *((labels[part], model.predict_log_proba(images[part] / 16)) for part in (val, test)),
        )

    for pair in range(pairs):
        runs = {seed: network(seed) for seed in range(2 * SEEDS * pair, 2 * SEEDS * (pair + 1))}
        yield halves(runs)


def halves(runs: dict) -> tuple[dict, dict]:
    each = list(runs.values())
    return tuple({seed: each[start + seed] for seed in range(SEEDS)} for start in (0, SEEDS))


SIZES = {"none": (0.0, 0.0), "as at full size": (0.03, 0.1), "as on the phantom": (0.4, 0.4)}


def simulated(pairs: int, *effects: float, images: int = 2000, classes: int = 10):
    """Networks of which a seed moves the signal of all images, and that of each class, by normal
    amounts of these standard deviations; an image has a difficulty that all of them share."""
    for pair in range(pairs):
        generator = np.random.default_rng(pair)
        labels = [np.arange(size) % classes for size in (images // 2, images)]
        hard = [3 * generator.beta(2, 1, len(part)) for part in labels]
        parts = list(zip(labels, hard))
        yield halves({seed: network(generator, parts, *effects) for seed in range(2 * SEEDS)})


def network(generator, parts, of_seed: float, of_class: float, classes: int = 10):
    """A run whose logits lean to the label by an image's own amount and by the seed's."""
    all_alike, each_class = generator.normal(0, of_seed), generator.normal(0, of_class, classes)
    made = []
    for labels, signal in parts:
        logits = generator.normal(size=(len(labels), classes))
        logits[np.arange(len(labels)), labels] += signal + all_alike + each_class[labels]
        made.append((labels, logits))
    return a_run(0, *made)


def released():
    """Two seeds of every arm, as two arms of one network each."""
    arms = ["baseline", "cutmix", "cutmix_only", "label_smoothing", "no_augmentation"]
    for runs in record.load_runs("released/cifar100", dict.fromkeys(arms, [42, 43, 44])).values():
        for one, other in combinations(runs.values(), 2):
            yield {0: one}, {0: other}


def counted(pairs, draws: int) -> dict:
    """Pairs, those of which anything is said, and the statements by what they are about."""
    began, said = time.monotonic(), {scope.METHOD: Counter(), scope.NETWORKS: Counter()}
    number, some, more = 0, 0, 0
    for first, second in pairs:
        about, differ, uncorrected = findings(first, second, draws)
        number, some, more = number + 1, some + bool(differ), more + len(uncorrected)
        said[about].update(differ)
    return {
        "pairs": number,
        "pairs_with_a_difference": some,
        "intervals_without_zero": more,
        "statements": {about: dict(found.most_common()) for about, found in said.items()},
        "seconds": round(time.monotonic() - began),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="*", default=["digits", "simulated", "released"])
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--draws", type=int, default=500)
    options = parser.parse_args()
    todo = {"digits": lambda: digits(options.pairs), "released": released} | {
        f"simulated, seeds {name}": lambda sizes=sizes: simulated(options.pairs, *sizes)
        for name, sizes in SIZES.items()
    }
    results = {}
    for name, pairs in todo.items():
        if name.split(",")[0] in options.what:
            results[name] = counted(pairs(), options.draws)
            print(name, results[name], flush=True)
    if set(options.what) == {"digits", "simulated", "released"}:
        artefacts.write_json(RESULT, results)


if __name__ == "__main__":
    main()

"""Which test images a run gets wrong, how sure it is of them, and which of them are looked at."""

import io

import numpy as np
import pandas as pd
import torch

from lib.base import artefacts
from lib.base.config import ParameterError, read_yaml
from lib.data import matching
from lib.evaluation import scope
from lib.evaluation.bootstrap import LEVELS
from lib.evaluation.per_image import columns, temperature

PERSISTENT, SHIFTING, ONE_NETWORK = "persistent", "shifting", "of this network"
PERSISTENCE = (PERSISTENT, SHIFTING, ONE_NETWORK)


def persistence(run, of_seeds: dict) -> np.ndarray:
    """What the other seeds of its arm make of each test image (N,) that a run gets wrong.

    persistent: the same wrong class in every seed; shifting: wrong in every seed, not always the
    same class; of this network: right in another seed. "" where the run is right, and everywhere
    with one seed alone; copies of a run are no other seed."""
    of_seeds = scope.distinct(of_seeds)
    if len(of_seeds) < 2:
        return np.full(len(run.test.labels), "", object)
    predicted = np.stack([one.test.predicted for one in of_seeds.values()])  # (seeds, N)
    kinds = [
        (predicted == run.test.predicted).all(0),
        (predicted != run.test.labels).all(0),
        np.ones(len(run.test.labels), bool),
    ]
    return np.where(run.test.correct, "", np.select(kinds, PERSISTENCE, "")).astype(object)


def test_table(run, splits, of_seeds: dict | None = None) -> pd.DataFrame:
    """One row a test image: position in the split, id, half, classes, confidence, correct,
    superclasses, planted cause. `of_seeds`: all runs of the arm; with them an error's
    `persistence` is a column.

    Confidence is the largest softmax probability, scaled_confidence that after temperature scaling
    fitted on val, margin the distance of the first to the second, whose class is `runner_up`.
    `cause` is the phantom's planted cause, absent for other data, `file` the picture's file in a
    folder of pictures.
    """
    labels, predicted, found = run.test.labels, run.test.predicted, columns(run.test)
    # objects: a million rows share them
    names, groups = (
        np.array(splits.class_names, object),
        np.array(splits.superclass_names, object),
    )
    table = pd.DataFrame(
        {
            "position": np.arange(len(labels)),
            "id": run.test.ids,
            "half": half(run.test.ids),
            "true": names[labels],
            "predicted": names[predicted],
            "runner_up": names[found.runner_up],
            "confidence": found.confidence,
            "scaled_confidence": columns(run.test, temperature(run)).confidence,
            "true_probability": found.true,
            "margin": found.confidence - found.second,
            "correct": predicted == labels,
            "true_superclass": groups[splits.superclass[labels]],
            "predicted_superclass": groups[splits.superclass[predicted]],
        }
    )
    if of_seeds is not None:
        table["persistence"] = persistence(run, of_seeds)
    if splits.test.planted is not None:
        table["cause"] = splits.test.planted["cause"].to_numpy()
    if splits.test.files is not None:
        table["file"] = splits.test.files
    return table


def half(ids) -> np.ndarray:
    """Which half of the test split each image (N,) is in: "discovery" for an even id,
    "confirmation" for an odd one; of ids that are text by a hash, in [0, 0.5) for discovery.

    Hypotheses are formed on the one and confirmed on the other. An id is the place in the test
    file, whose order has nothing to do with the class, the cause or any network, or text that is
    hashed; so a subset of images keeps the halves of the whole."""
    ids = np.asarray(ids)
    if _is_text(ids):
        confirmation = ~matching.below(matching.place_of_id(ids, "half"), 0.5)
    else:
        confirmation = ids % 2 == 1
    return np.array(["discovery", "confirmation"], object)[confirmation.astype(int)]


def _is_text(ids: np.ndarray) -> bool:
    return ids.dtype.kind not in "iu"


def errors(table: pd.DataFrame) -> pd.DataFrame:
    """The wrong predictions of a test table, most confident after temperature scaling first; equal
    ones by their confidence before it (a temperature at its lower bound makes all 1), then by id.

    One temperature changes no prediction and no order of the classes of an image, only the order of
    the images."""
    return table[~table["correct"]].sort_values(
        ["scaled_confidence", "confidence", "id"], ascending=[False, False, True]
    )


def counts_by_confidence(errors_of_arm: dict[str, pd.DataFrame], levels) -> pd.DataFrame:
    """Errors made with at least each confidence: one row a level, one column an arm."""
    return pd.DataFrame(
        {
            arm: [int((table["confidence"] >= level).sum()) for level in levels]
            for arm, table in errors_of_arm.items()
        },
        index=pd.Index(levels, name="confidence at least"),
    )


def mine(table: pd.DataFrame, count: int, without=()) -> pd.DataFrame:
    """The `count` most confident errors of the discovery half, at most one for each pair of true
    and predicted class. Where it is known, persistent ones come first, then shifting ones: an error
    of one network alone is no finding about pictures. Planted causes take turns, or all would be
    wrong labels, of which a network is surest.

    `table` is what `errors` gives; `without`: ids that are left out.
    """
    ranked = table[(table["half"] == "discovery") & ~table["id"].isin(list(without))]
    if "persistence" in ranked:
        ranked = ranked.iloc[
            np.argsort(ranked["persistence"].map(_first_persistent), kind="stable")
        ]
    ranked = ranked.drop_duplicates(["true", "predicted"])
    if "cause" in ranked:
        ranked = ranked.iloc[np.argsort(ranked.groupby("cause").cumcount(), kind="stable")]
    return ranked.head(count)


def _first_persistent(kind: str) -> int:
    return PERSISTENCE.index(kind) if kind else len(PERSISTENCE)


def persistence_shares(errors: pd.DataFrame) -> list[dict] | None:
    """How many errors are of each kind of PERSISTENCE, of all and of those at each confidence of
    LEVELS, before scaling: a row a level with `confidence` (0 for all), `errors` and a count a
    kind. None where no other seed is there to tell."""
    if "persistence" not in errors or not (errors["persistence"] != "").any():
        return None
    chosen = {level: errors[errors["confidence"] >= level] for level in (0.0, *LEVELS)}
    return [
        {"confidence": level, "errors": len(rows)}
        | {kind: int((rows["persistence"] == kind).sum()) for kind in PERSISTENCE}
        for level, rows in chosen.items()
    ]


def read_cases(path, test_ids: np.ndarray) -> pd.DataFrame:
    """The named cases of a study: id and hypothesis, one row each; empty when `path` is "" (none
    are named). test_ids: whole numbers, or the text of brought predictions.

    Raises ParameterError for an id that is not in the test split or a case without a hypothesis.
    """
    content = read_yaml(artefacts.ROOT / path) if path else {"cases": None}
    if content.get("cases", path) is None:  # a file that waits to be filled in
        return pd.DataFrame({"id": pd.Series(dtype=int), "hypothesis": pd.Series(dtype=str)})
    cases = content.get("cases")
    if not isinstance(cases, list) or not all(
        isinstance(case, dict) and {"id", "hypothesis"} <= set(case) for case in cases
    ):
        raise ParameterError(f"{path}: expected 'cases:' with an id and a hypothesis each")
    ids, known, text = [case["id"] for case in cases], set(test_ids.tolist()), _is_text(test_ids)
    if text:
        # YAML makes a number of 17, and leaves 017 as it is written
        ids = list(map(str, ids))
    kind = str if text else int
    if not all(type(one) is kind for one in ids) or len(set(ids)) < len(ids):
        raise ParameterError(
            f"{path}: ids must be {'text' if text else 'whole numbers'}, each given once, got {ids}"
        )
    absent = [one for one in ids if one not in known]
    if absent:
        raise ParameterError(f"{path}: no test image has id {', '.join(map(str, absent))}")
    return pd.DataFrame(
        [{"id": one, "hypothesis": str(case["hypothesis"])} for one, case in zip(ids, cases)]
    )


def selection(table: pd.DataFrame, cases: pd.DataFrame, mined: int) -> pd.DataFrame:
    """The images that the study looks at: the named cases first, then the mined errors. `why` says
    which is which."""
    named = cases.merge(table, on="id", how="left").assign(why="named")
    found = mine(errors(table), mined, without=cases["id"]).assign(why="mined", hypothesis="")
    return (
        pd.concat([named, found], ignore_index=True) if len(named) else found.reset_index(drop=True)
    )


def hypotheses(selection: pd.DataFrame) -> pd.DataFrame:
    """The selected images with what is thought to be wrong with them; the phantom's planted cause,
    where there is one."""
    columns = [
        "id",
        "half",
        "true",
        "predicted",
        "confidence",
        "scaled_confidence",
        "why",
        "hypothesis",
    ]
    columns += [name for name in ("persistence", "cause") if name in selection]
    return (
        selection[columns]
        .replace({"hypothesis": {"": None}, "persistence": {"": None}})
        .rename(columns={"cause": "planted cause"})
    )


def read_selection(folder, table: pd.DataFrame | None = None) -> pd.DataFrame:
    """The images that the failures stage selected (tables/selection.csv).

    table: the test table that they were selected from. Text that looks like a number (ids and
    classes such as 007) is then taken from it, for a CSV file does not tell the two apart."""
    content = artefacts.read_bytes(folder / "tables" / "selection.csv")
    stored = pd.read_csv(io.BytesIO(content), keep_default_na=False).astype({"correct": bool})
    if table is None:
        return stored
    text = [name for name in stored if name in table and table[name].dtype.kind not in "biuf"]
    return stored.assign(
        **{name: table[name].to_numpy()[stored["position"].to_numpy(int)] for name in text}
    )


def class_pair(selection: pd.DataFrame, splits) -> tuple[torch.Tensor, torch.Tensor]:
    """The true class of each selected image, and the class to hold against it: the predicted one if
    it is wrong, else the runner-up. Two int64 tensors (N,)."""
    number = {name: place for place, name in enumerate(splits.class_names)}
    against = selection["predicted"].where(~selection["correct"], selection["runner_up"])
    return torch.tensor([number[name] for name in selection["true"]]), torch.tensor(
        [number[name] for name in against]
    )


def chance_within_superclass(superclass: np.ndarray, labels: np.ndarray) -> float:
    """Share of errors inside the true superclass if a wrong class were drawn at random; superclass
    (K,).

    labels: true classes of the wrong predictions (N,): of a large superclass more is inside.
    Without any, a mean over the classes."""
    siblings = np.bincount(superclass)[superclass] - 1
    return float(
        np.mean((siblings[labels] if len(labels) else siblings) / max(len(superclass) - 1, 1))
    )


def failure_numbers(
    selection: pd.DataFrame,
    tables: dict[str, pd.DataFrame],
    before: str,
    superclass: np.ndarray,
    causes: pd.DataFrame | None,
    temperature: float,
    chance: float,
) -> dict:
    """What the report says about failures, by name; temperature and chance (within a superclass)
    are those of the arm before.

    Superclasses (K,) that tell nothing apart have no share.
    """
    arms, grouped = {}, 1 < len(np.unique(superclass)) < len(superclass)
    for arm, table in tables.items():
        wrong = errors(table)
        within = (
            (wrong["true_superclass"] == wrong["predicted_superclass"]).mean()
            if len(wrong) and grouped
            else None
        )
        arms[arm] = {
            "errors": len(wrong),
            "within_superclass": within,
            "discovery_errors": int((wrong["half"] == "discovery").sum()),
            "persistence": persistence_shares(wrong),
        }
    named, discovery = selection[selection["why"] == "named"], tables[before]["half"] == "discovery"
    return {
        "before": before,
        "arms": arms,
        "test_images": len(tables[before]),
        "discovery_images": int(discovery.sum()),
        "temperature": temperature,
        "selected": len(selection),
        "mined": len(selection) - len(named),
        "named": len(named),
        "named_right": int(named["correct"].sum()),
        "chance_within_superclass": chance,
        "causes": None if causes is None else causes.to_dict("records"),
    }

"""Where a study's numbers come from: its parameters, machines, versions and seconds, and the
sources of the methods that its report uses.
"""

import json
import os
from pathlib import Path

import pandas as pd

from lib.base.text import listed
from lib.evaluation import ablation, degenerate
from lib.report import brought
from lib.training import network, released
from lib.training.record import YOUNGER

RELEASED = (
    " A released one was trained where the row says and is kept with the project; RETRAIN=1 trains "
    "it here."
)
# parameters that say which run it is, not how it was trained
NAMES = ("arm", "seed", "study", "outputs", "root", "strict_resume")
# 0 leaves the seconds of the stages out: then equal numbers are equal bytes
TIMES = "REPORT_TIMES"
FACTORS = tuple(names[0] for names in ablation.FACTORS.values())
OFF = ("0.0", "False", "0", "steps")
RECIPE = (
    "width",
    "epochs",
    "milestones",
    "schedule",
    "batch_size",
    "learning_rate",
    "momentum",
    "weight_decay",
)


def _trained_with(of_seeds: dict) -> dict[str, str]:
    """Every parameter of an arm as text, and what its runs found: threads, device and precision;
    seeds that differ are listed."""
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


def _said(parameter: str, value: str, first: str | None) -> str:
    """A parameter in words; of the interventions a study is about, in the field's."""
    if parameter == "augment":
        return "crop and flip" if value == "True" else "neither crop nor flip"
    if parameter in ("cutmix_probability", "mixup_probability"):
        method = "CutMix" if parameter.startswith("cutmix") else "MixUp"
        return f"{method} of a batch with probability {value}" if value != "0.0" else f"no {method}"
    if parameter == "label_smoothing":
        return f"label smoothing {value}" if value != "0.0" else "no label smoothing"
    if parameter == "cutout_size":
        return f"Cutout of {value} px" if value != "0" else "no Cutout"
    if parameter == "schedule":
        return f"a {value} schedule" if value == "cosine" else "a learning rate in steps"
    if parameter == "precision":
        return f"computed in {value}" + f", not {first}" * bool(first)
    return f"{parameter.replace('_', ' ')} {value} (else {first})"


def differences(runs_of_arms: dict) -> dict[str, str]:
    """How each arm's training differs from the first arm's, as text."""
    parameters = {arm: _trained_with(of_seeds) for arm, of_seeds in runs_of_arms.items()}
    first, texts = next(iter(parameters.values()), {}), {}
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
                if values.get(name, "0.0") not in OFF
            ]
        )
        reference = (
            f"the reference, with {on}" if on else "the reference, with none of the interventions"
        )
        texts[arm] = ", ".join(changed) or (
            reference if values is first else "the same parameters as the first arm"
        )
    return texts


def _changes(params: dict[str, dict]) -> dict[str, dict[str, list[str]]]:
    """changes[one][other]: in what the arm `other` was trained otherwise than `one`, in words, a
    text a parameter."""
    return {
        one: {
            other: [
                _said(parameter, str(theirs[parameter]), str(values[parameter]))
                for parameter in ablation.differing(values, theirs)
            ]
            for other, theirs in params.items()
            if other != one
        }
        for one, values in params.items()
    }


def cannot_tell(here) -> list[str]:
    """What the rows of a study, lib.study.Study, cannot tell: lib.evaluation.degenerate; and that
    its trainings were computed in more than one precision."""
    lines = degenerate.cannot_tell(here.runs, here.pair, here.splits.class_names)
    return lines + mixed_precision(here.runs)


def mixed_precision(runs: dict) -> list[str]:
    """One line where trained runs, {arm: {seed: run}}, differ in their arithmetic; else none."""
    found = {}
    for arm, of_seeds in runs.items():
        for seed, run in of_seeds.items():
            if run.info.get("origin", "trained") == "trained":
                precision = run.info["fingerprint"]["precision"]
                found.setdefault(precision, []).append(f"{arm} with seed {seed}")
    if len(found) < 2:
        return []
    few, *_ = sorted(found, key=lambda precision: len(found[precision]))
    return [
        f"{listed(found[few])} {'was' if len(found[few]) == 1 else 'were'} trained in {few}, the "
        "others not: how much of a difference comes from that is not known"
    ]


def _proof(of_seeds: dict) -> dict[str, float]:
    """Shares that differ between two readings: of train the smallest of the seeds, of the others
    the largest."""
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


def study_numbers(runs_of_arms: dict, splits, seeds: list[int]) -> dict:
    """What the prose needs to say what was done, from the runs' records; seeds: those by which the
    two arms are paired. The recipe is the first arm's; `varies` names what of it is not the same in
    every arm, `widths` and `epochs_of_arms` are those that occur."""
    first = {arm: next(iter(of_seeds.values())) for arm, of_seeds in runs_of_arms.items()}
    trained = {arm: of for arm, of in runs_of_arms.items() if first[arm].history is not None}
    run = next(iter(first.values()))
    params = {arm: first[arm].info["params"] for arm in trained}
    recipe = next(iter(params.values()), {})
    return {name: recipe.get(name) for name in RECIPE} | {
        "origins": {arm: one.info.get("origin", "trained") for arm, one in first.items()},
        "brought": brought.numbers(first),
        "varies": [
            name.replace("_", " ")
            for name in RECIPE
            if any(values[name] != recipe[name] for values in params.values())
        ],
        "networks": list(dict.fromkeys(values["network"] for values in params.values())),
        "widths": sorted({values["width"] for values in params.values()}),
        "epochs_of_arms": sorted({values["epochs"] for values in params.values()}),
        "data": {
            "cifar10": "CIFAR-10",
            "cifar100": "CIFAR-100",
            "phantom": "the phantom",
        }.get(splits.name)
        or _pictures(run.info["params"]),
        "image_size": None if splits.test.images is None else run.info["params"]["image_size"],
        "classes": len(splits.class_names),
        "sizes": {name: len(getattr(splits, name)) for name in ("train", "val", "test")},
        "data_digest": splits.digest,
        "parameters": run.info.get("parameters"),
        "seeds": seeds,
        "seeds_of_arms": {arm: list(of_seeds) for arm, of_seeds in runs_of_arms.items()},
        "differences": {arm: _elsewhere(one.info) for arm, one in first.items()}
        | differences(trained),
        "proof": {arm: _proof(of_seeds) for arm, of_seeds in trained.items()},
        "mean_lambda": {arm: _mean_lambda(of_seeds) for arm, of_seeds in trained.items()},
        # what was trained elsewhere may have been smoothed: nothing is known of it
        "label_smoothing": dict.fromkeys(first, 0.0)
        | {arm: values["label_smoothing"] for arm, values in params.items()},
        "remedies": ablation.switched_on(
            {arm: ablation.factor_levels(values) for arm, values in params.items()}
        ),
        "changes": {one: {other: [] for other in first} for one in first} | _changes(params),
        "cost": cost(trained, len(splits.train)) if trained else None,
    }


def _pictures(params: dict) -> str:
    """What the pictures of a folder are called; predictions alone have none."""
    root = params.get("root")
    return f"the folder {Path(root).name}" if root else "images that were not shown"


def _elsewhere(info: dict) -> str:
    """What an arm is that was not trained here, as text."""
    params = info["params"]
    if info.get("origin") == "predictions":
        return f"predictions that were brought, {Path(params['predictions']).name}"
    return f"a network that was trained elsewhere, {params.get('network', '')}"


def cost(runs_of_arms: dict, train_images: int) -> dict:
    """What all runs took together: seconds of training, images seen, and on what devices."""
    infos = [run.info for of_seeds in runs_of_arms.values() for run in of_seeds.values()]
    return {
        "seconds": sum(info["training_seconds"] for info in infos),
        "images": train_images * sum(info["params"]["epochs"] for info in infos),
        "devices": list(dict.fromkeys(info["fingerprint"]["device_name"] for info in infos)),
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
                **{
                    column: run.info.get("fingerprint", {}).get(field)
                    for column, field in (
                        ("device", "device_name"),
                        ("threads", "threads"),
                        ("precision", "precision"),
                    )
                },
                "run": _where_from(run),
                "training, s": run.info.get("training_seconds"),
            }
            for arm, of_seeds in runs_of_arms.items()
            for seed, run in of_seeds.items()
        ]
    )


def _where_from(run) -> str:
    if run.history is None:
        return "brought"
    machines = len(run.info.get("machines", ()))
    elsewhere = f", went on elsewhere: its bits are of {machines} machines" if machines > 1 else ""
    return ("released" if released.is_released(run) else "trained here") + elsewhere


def stages_table(study: Path) -> pd.DataFrame:
    """Seconds of each executed notebook of the study."""
    rows = []
    for path in sorted(study.glob("0[2-4]_*.ipynb")):
        metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
        duration = metadata.get("papermill", {}).get("duration")
        if (
            duration is not None
            and os.environ.get(TIMES) != "0"
            and not path.name.endswith(".part.ipynb")
        ):
            rows.append({"stage": path.stem, "seconds": duration})
    return pd.DataFrame(rows, columns=["stage", "seconds"])


def parameters_table(runs_of_arms: dict) -> pd.DataFrame:
    """Every training parameter, a row each; one column an arm."""
    first = {arm: next(iter(of_seeds.values())) for arm, of_seeds in runs_of_arms.items()}
    columns = {
        arm: {
            name: value
            for name, value in run.info["params"].items()
            # predictions have no setting of a training
            if run.info.get("origin") != "predictions" or name not in YOUNGER
        }
        for arm, run in first.items()
    }
    everything = dict.fromkeys(name for values in columns.values() for name in values)
    names = [name for name in everything if name not in NAMES]
    return pd.DataFrame(
        [
            {"parameter": name}
            | {arm: str(values[name]) if name in values else "–" for arm, values in columns.items()}
            for name in names
        ]
    )


def versions_text(runs_of_arms: dict) -> str:
    versions = next(iter(next(iter(runs_of_arms.values())).values())).info["versions"]
    return ", ".join(f"{name} {number}" for name, number in versions.items())


# The sources of the methods that a report uses, as the report lists them.


def _arxiv(number: str) -> str:
    return f"[arXiv:{number}](https://arxiv.org/abs/{number})"


def _doi(name: str) -> str:
    return f"[doi:{name}](https://doi.org/{name})"


def methods(results: dict) -> list[tuple[str, str]]:
    """(what, source in Markdown) of each method whose numbers are in `results`, in the order of the
    report."""
    study, compare, failures, cam = (
        results[part] for part in ("study", "compare", "failures", "gradcam")
    )
    known, paired = failures["known"], bool(compare["after"])
    several, claimed = len(study["seeds"]) > 1, bool(results["ledger"]["claims"])
    entries = [
        (
            study["data"] in ("CIFAR-10", "CIFAR-100"),
            study["data"],
            "Krizhevsky 2009, "
            "[technical report](https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf)",
        ),
        (
            network.OWN in study["networks"],
            "ResNet",
            f"He, Zhang, Ren and Sun 2016, {_arxiv('1512.03385')}",
        ),
        (
            "CutMix" in study["remedies"],
            "CutMix",
            f"Yun et al. 2019, {_arxiv('1905.04899')}",
        ),
        (
            "MixUp" in study["remedies"],
            "MixUp",
            f"Zhang, Cisse, Dauphin and Lopez-Paz 2018, {_arxiv('1710.09412')}",
        ),
        (
            "Cutout" in study["remedies"],
            "Cutout",
            f"DeVries and Taylor 2017, {_arxiv('1708.04552')}",
        ),
        (
            "cosine schedule" in study["remedies"],
            "cosine schedule",
            f"Loshchilov and Hutter 2017, {_arxiv('1608.03983')}",
        ),
        (
            any(study["label_smoothing"].values()),
            "label smoothing",
            f"Szegedy et al. 2016, {_arxiv('1512.00567')}",
        ),
        (
            bool(failures["severity"]),
            "superclass distance",
            f"Bertinetto et al. 2020, {_arxiv('1912.09393')}",
        ),
        (
            True,
            "confident learning",
            f"Northcutt, Jiang and Chuang 2021, {_doi('10.1613/jair.1.12125')}",
        ),
        (
            study["data"] == "CIFAR-100" and bool(known["opinion"]),
            "reviews of the test labels",
            f"Northcutt, Athalye and Mueller 2021, {_arxiv('2103.14749')}",
        ),
        (
            known["duplicates"] is not None,
            "near-duplicates",
            f"Barz and Denzler 2020, {_arxiv('1902.00423')}",
        ),
        (
            any(cam.get("layers", {}).values()),
            "Grad-CAM",
            f"Selvaraju et al. 2017, {_arxiv('1610.02391')}",
        ),
        (
            bool(cam.get("faithfulness")),
            "deletion and insertion",
            f"Petsiuk, Das and Saenko 2018, {_arxiv('1806.07421')}",
        ),
        (
            bool(cam.get("faithfulness")),
            "occlusion",
            f"Zeiler and Fergus 2014, {_arxiv('1311.2901')}",
        ),
        (
            bool(cam.get("randomisation")),
            "maps of random weights",
            f"Adebayo et al. 2018, {_arxiv('1810.03292')}",
        ),
        (
            bool(cam.get("rule")),
            "small adversarial shifts",
            f"Goodfellow, Shlens and Szegedy 2015, {_arxiv('1412.6572')}",
        ),
        (
            bool(cam.get("rule")),
            "shares corrected for the rule's mistakes",
            f"Forman 2008, {_doi('10.1007/s10618-008-0097-y')}; Saerens, Latinne and Decaestecker "
            f"2002, {_doi('10.1162/089976602753284446')}",
        ),
        (
            bool(cam.get("rule")),
            "whether real errors read like planted ones",
            f"Lopez-Paz and Oquab 2017, {_arxiv('1610.06545')}",
        ),
        (
            bool(cam.get("rule")),
            "thresholds that hold for the next error",
            f"Vovk, Gammerman and Shafer 2005, {_doi('10.1007/b106715')}",
        ),
        (
            True,
            "intervals of shares",
            f"Clopper and Pearson 1934, {_doi('10.1093/biomet/26.4.404')}",
        ),
        (
            bool(cam.get("faithfulness")),
            "intervals of the effects of probes",
            f"Wilson 1927, {_doi('10.1080/01621459.1927.10502953')}",
        ),
        (several, "bootstrap over images and seeds", f"Owen 2007, {_doi('10.1214/07-AOAS122')}"),
        (
            several,
            "variance between seeds",
            f"Rao and Wu 1988, {_doi('10.1080/01621459.1988.10478591')}",
        ),
        (
            paired and several,
            "sign-flip test of paired predictions",
            f"Ernst 2004, {_doi('10.1214/088342304000000396')}",
        ),
        (
            paired and not several,
            "exact test of paired predictions",
            f"McNemar 1947, {_doi('10.1007/BF02295996')}",
        ),
        (
            paired,
            "intervals of classes",
            f"Bonett and Price 2012, {_doi('10.3102/1076998611411915')}",
        ),
        (
            paired and several,
            "chance of the seeds in the tests of classes",
            f"Satterthwaite 1946, {_doi('10.2307/3002019')}",
        ),
        (paired, "two one-sided tests", f"Schuirmann 1987, {_doi('10.1007/BF01068419')}"),
        (
            paired,
            "false discovery rate",
            f"Benjamini and Hochberg 1995, {_doi('10.1111/j.2517-6161.1995.tb02031.x')}",
        ),
        (
            True,
            "temperature scaling, calibration error",
            f"Guo et al. 2017, {_arxiv('1706.04599')}",
        ),
        (True, "class-wise calibration error", f"Kull et al. 2019, {_arxiv('1910.12656')}"),
        (
            bool(compare["robustness"]),
            "corruptions",
            f"Hendrycks and Dietterich 2019, {_arxiv('1903.12261')}",
        ),
        (
            True,
            "risk–coverage curve (AURC, E-AURC)",
            f"Geifman, Uziel and El-Yaniv 2019, {_arxiv('1805.08206')}",
        ),
        (True, "generalised curve (AUGRC)", f"Traub et al. 2024, {_arxiv('2407.01032')}"),
        (True, "threshold for a risk", f"after Geifman and El-Yaniv 2017, {_arxiv('1705.08500')}"),
        (True, "normalised logit", f"Cattelan and Silva 2023, {_arxiv('2305.15508')}"),
        (True, "balanced accuracy", f"Brodersen et al. 2010, {_doi('10.1109/ICPR.2010.764')}"),
        (
            True,
            "conformal sets",
            f"Sadinle, Lei and Wasserman 2019, {_doi('10.1080/01621459.2017.1395341')}",
        ),
        (
            bool(compare["outside"]),
            "maximum softmax",
            f"Hendrycks and Gimpel 2017, {_arxiv('1610.02136')}",
        ),
        (bool(compare["outside"]), "energy score", f"Liu et al. 2020, {_arxiv('2010.03759')}"),
        (
            bool(compare["outside"]),
            "interval of an AUROC",
            f"DeLong, DeLong and Clarke-Pearson 1988, {_doi('10.2307/2531595')}; "
            f"Newcombe 2006, {_doi('10.1002/sim.2324')}",
        ),
        (
            claimed,
            "whole numbers behind shares (GRIM)",
            f"Brown and Heathers 2017, {_doi('10.1177/1948550616673876')}",
        ),
        (
            claimed,
            "arithmetic of reported numbers (statcheck)",
            f"Nuijten et al. 2016, {_doi('10.3758/s13428-015-0664-2')}",
        ),
    ]
    return [(what, source) for used, what, source in entries if used]


def sources(results: dict) -> str:
    """The list in Markdown."""
    return "\n".join(
        f"- {what[0].upper() + what[1:]}: {source}" for what, source in methods(results)
    )

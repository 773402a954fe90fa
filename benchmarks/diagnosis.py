"""What the diagnosis is worth: every table of docs/diagnosis.md is one command.

    python benchmarks/diagnosis.py plant cifar100 baseline      plant, ask, keep: the slow part
    python benchmarks/diagnosis.py score cifar100 baseline      recall, by rule and readings
    python benchmarks/diagnosis.py strengths cifar100 baseline  planted otherwise than fitted
    python benchmarks/diagnosis.py promised phantom cutmix      what is promised, and planted truth
                                     --seed 44 --strength MEDIUM   of another run, of one strength
    python benchmarks/diagnosis.py phantoms                     planted truth, one phantom left out
    python benchmarks/diagnosis.py checked                      planted errors against planted truth
    python benchmarks/diagnosis.py people cifar100 baseline     label doubt against reviewers
    python benchmarks/diagnosis.py reviewed cifar100 baseline   the rule against reviewers

Runs are those of released/<study>/<arm>/seed-<n> or, of a study that was made here, of outputs/;
the other arms with weights there are asked for a second opinion. The phantoms' networks are
trained, two minutes each. These and what is planted are kept in outputs/benchmark-diagnosis.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.base import artefacts, study_file
from lib.data import dataset
from lib.diagnosis import (
    judgement,
    label_doubt,
    mixture,
    readings,
    rule,
    spikes,
    stage,
    verdict,
)
from lib.diagnosis import score as verdict_score
from lib.diagnosis.judgement import Spiked
from lib.training import inference, record

KEPT = artefacts.ROOT / "outputs" / "benchmark-diagnosis"
SCORED = (43, 44, 45, 46)
# images: the validation split starts with the 2,000 that the network's temperature is fitted on,
# which are left out
VAL_SIZE = 6_000
LAYER = "layer4"
SETS = {
    "the prediction and the maps": (*readings.CLEAN, *readings.MAPS),
    "besides, low and moved": ("low", "moved"),
    "besides, windows and covers": ("window", "cover"),
    "besides, squares": ("square",),
    "besides, grey and shuffle": ("grey", "shuffle"),
    "besides, other networks": tuple(readings.OTHERS),
}


def runs(study: str, seed: int = 42) -> dict:
    """The runs with weights of a study's arms, of one seed."""
    found = {}
    for root in ("released", "outputs"):
        for path in sorted((artefacts.ROOT / root / study).glob(f"*/seed-{seed}/run.json")):
            run = record.load_run(path.parent)
            if record.has_weights(run):
                found.setdefault(path.parent.parent.name, run)
    return found


def loaded(study: str, arm: str, seed: int = 42):
    """Run, network, splits, and the other arms' runs and networks."""
    every = runs(study, seed)
    run = every[arm]
    splits = dataset.load_for(run.info["params"], run.info["data_digest"])
    networks = {
        name: record.load_model(one, len(splits.class_names)) for name, one in every.items()
    }
    others = {name: (one, networks[name]) for name, one in every.items() if name != arm}
    return run, networks[arm], splits, others


def plant(
    study: str, arm: str, others: int, strength="", draw=0, seed=42, each=spikes.EACH
) -> Spiked:
    """The planted errors of an arm, of all strengths or one, asked once and kept; `others`: how
    many networks are asked."""
    path = KEPT / f"{study}-{arm}-{seed}-{strength or 'all'}-{draw}-{each}-{others}.npz"
    if path.is_file():
        return judgement.load(path)
    run, model, splits, every = loaded(study, arm, seed)
    began = time.monotonic()
    asked = readings.subject(run, model, splits, LAYER)
    into = spikes.pool(run, asked.network, splits)
    used = (getattr(spikes, strength),) if strength else spikes.STRENGTHS
    made = spikes.plant(into, each, draw, used)
    print(f"planted in {time.monotonic() - began:.0f} s", flush=True)
    spiked = judgement.read_planted(
        asked, splits, asked_of(every, others), made, wanted(study).quick
    )
    print(f"and read in {time.monotonic() - began:.0f} s", flush=True)
    judgement.save(path, spiked)
    return spiked


def asked_of(every: dict, others: int) -> dict:
    """The first networks of those that can be asked."""
    return dict(list(every.items())[:others])


def wanted(study: str):
    """What the study says of its third notebook."""
    return study_file.view(study_file.read(study), "gradcam", "outputs")


def marks(learnt: rule.Rule, cause, source) -> str:
    """Macro recall with its interval at both allowances, and recall by cause."""
    at, strict = (rule.score(learnt, cause, source, one) for one in (rule.ALLOWED, rule.STRICT))
    shown = " ".join(f"{at[f'recall {name}']['estimate']:.2f}" for name in verdict.CAUSES[:-1])
    macro = at["macro recall"]
    return (
        f"{macro['estimate']:.3f} ({macro['low']:.2f} to {macro['high']:.2f}), nothing called "
        f"{at['called']['estimate']:.2f}; strict {strict['macro recall']['estimate']:.3f}, "
        f"{strict['called']['estimate']:.2f}; by cause {shown}"
    )


def score(study: str, arm: str, others: int) -> None:
    spiked = plant(study, arm, others)
    print(pd.Series(spiked.cause).value_counts().to_dict())
    for count in (12, 16, 20, 40, len(spiked.readings.columns)):

        def linear(table, cause, count=count):
            return rule.fit_linear(table, cause, count)

        learnt = rule.cross_validated(linear, *spiked)
        print(
            f"linear, {len(learnt.model.names)} readings: {marks(learnt, *spiked[1:])}", flush=True
        )
    learnt = rule.cross_validated(rule.fit_boosted, *spiked)
    print(f"boosted: {marks(learnt, *spiked[1:])}", flush=True)
    columns = []
    for name, families in SETS.items():
        columns += [
            one
            for one in spiked.readings
            if one in families or one.split(" ")[0].split(":")[0] in families
        ]
        table = spiked.readings[list(dict.fromkeys(columns))]
        learnt = rule.cross_validated(rule.fit_linear, table, *spiked[1:])
        print(f"{name}: {marks(learnt, *spiked[1:])}", flush=True)


def strengths(study: str, arm: str, others: int) -> None:
    """Plants of each strength read by the rule of the two other strengths, and by one that knows
    all three, on folds without the source picture."""
    parts = by_strength(study, arm, others)
    known = together(list(parts.values()))
    learnt = rule.learn(*known, boosted=False)
    print(f"all: {marks(learnt, *known[1:])}")
    of = np.repeat(list(parts), [len(part.cause) for part in parts.values()])
    for name, part in parts.items():
        rest = together([other for other in parts.values() if other is not part])
        unseen = judgement.call(rule.learn(*rest, boosted=False), part.readings)
        seen = rule.held_out(learnt, known.cause)[of == name]
        for words, called in (("unseen", unseen), ("seen", seen)):
            print(f"{name}, {words}: {recalls(part.cause, called)}", flush=True)


def by_strength(study: str, arm: str, others: int) -> dict[str, Spiked]:
    """As many plants as a study has, by strength."""
    each = spikes.EACH // len(spikes.STRENGTHS)
    names = ("MEDIUM", "SMALLER", "LARGER")
    # other draws, or the rule would have been fitted on the same pictures
    return {
        name: plant(study, arm, others, name, draw, each=each) for draw, name in enumerate(names)
    }


def together(parts: list[Spiked]) -> Spiked:
    table = pd.concat([part.readings for part in parts], ignore_index=True)
    return Spiked(table, *(np.concatenate([part[place] for part in parts]) for place in (1, 2)))


def recalls(cause: np.ndarray, called: np.ndarray) -> str:
    """Macro recall, nothing called something, and recall and number by cause."""
    named = {name: called[cause == name] == name for name in verdict.CAUSES}
    shown = {name: (round(float(hit.mean()), 2), len(hit)) for name, hit in named.items()}
    macro = np.mean([named[name].mean() for name in verdict.CAUSES[:-1]])
    return f"{macro:.3f}, nothing {1 - named[verdict.CAUSES[-1]].mean():.2f}, {shown}"


def promised(study: str, arm: str, others: int, strength: str, seed: int) -> None:
    """Of a phantom's arm: what the rules of four draws of plants promise of their verdicts, and how
    often those on the test errors are right."""
    run, model, splits, every = loaded(study, arm, seed)
    asked = readings.subject(run, model, splits, LAYER)
    position, asks = stage.sample(run, wanted(study).probed), asked_of(every, others)
    found = judgement.read_errors(run, asked, splits, asks, position, wanted(study).quick)
    true = causes(run, splits, position)
    for draw in range(4):
        spiked = plant(study, arm, others, strength, draw, seed)
        learnt = rule.learn(*spiked)
        called = judgement.call(learnt, found)
        title = f"{arm}/{seed}, draw {draw}, {type(learnt.model).__name__.lower()}"
        kept(title, mix_of(learnt, spiked, found, called), called, true)


def mix_of(learnt: rule.Rule, spiked: Spiked, found: pd.DataFrame, called) -> mixture.Mixture:
    """The mixture behind real errors, held against them."""
    mix, names = mixture.corrected(rule.confusions(learnt, *spiked[1:]), called), learnt.model.names
    planted, real = (table[names].to_numpy() for table in (spiked.readings, found))
    return mixture.held_against(mix, planted, spiked.cause, real)


def causes(run, splits, position) -> np.ndarray:
    """What stands behind each error of a phantom, as far as it points at the prediction."""
    known = verdict.planted(splits.test, position, run.test.predicted[position])
    return known["planted"].where(known["acts"], "unexplained").to_numpy()


def kept(title: str, mix: mixture.Mixture, called: np.ndarray, true: np.ndarray) -> None:
    """One line a cause: what is promised of its verdict and share, and what is so."""
    low = np.nanquantile(mix.drawn_precision, 0.025, axis=0)
    least, most = np.quantile(mix.drawn, [0.025, 0.975], axis=0)
    print(f"{title}, told apart {mix.apart:.2f}; {mix.obstacle}")
    for place, name in enumerate(verdict.CAUSES[:-1]):
        right = np.mean(true[called == name] == name) if (called == name).any() else np.nan
        words = f"promised from {low[place]:.2f}, in equal shares {mix.evenly[place]:.2f}"
        share = f"share {least[place]:.2f} to {most[place]:.2f}, true {np.mean(true == name):.2f}"
        given = "given" if name in mix.trusted else "withheld"
        called_so = (called == name).sum()
        print(f"  {name}: {words}, right {right:.2f} of {called_so}; {share}: {given}", flush=True)


def phantom_errors(seed: int) -> pd.DataFrame:
    """Readings of every error of a phantom's network on validation images that its temperature was
    not fitted on, with what was planted."""
    path = KEPT / f"phantom-{seed}.csv"
    if path.is_file():
        return pd.read_csv(path)
    run = network(seed)
    splits = dataset.load_for(run.info["params"], run.info["data_digest"])
    model = record.load_model(run, len(splits.class_names))
    more = dataset.load("phantom", sizes={"train": 20, "val": VAL_SIZE, "test": 20}, seed=seed).val
    new = slice(len(splits.val), None)
    images, labels = more.images[new], more.labels[new].numpy()
    logits = inference.logits(model, images, splits.mean, splits.std)
    position = np.flatnonzero(logits.argmax(1) != labels)
    predicted = logits.argmax(1)[position]
    asked = readings.subject(run, model, splits, LAYER)
    read = readings.read(
        asked, images[position], labels[position], predicted, logits[position], [], position
    )
    split = dataset.Split(images, more.labels[new], more.index[new], more.planted.iloc[new])
    table = read.join(verdict.planted(split, position, predicted)).assign(phantom=seed)
    artefacts.write_table(path, table)
    return table


def phantoms() -> None:
    """Planted truth: fitted on three phantoms, read on the fourth."""
    table = pd.concat([phantom_errors(seed) for seed in SCORED], ignore_index=True)
    planted, acts, phantom = (table.pop(name).to_numpy() for name in ("planted", "acts", "phantom"))

    def few(count):
        return lambda values, cause: rule.fit_linear(values, cause, count)

    ways = {"linear, 20": few(20), "linear, 40": few(40), "linear, all": few(len(table.columns))}
    for name, fit in (ways | {"boosted": rule.fit_boosted}).items():
        probability = np.zeros((len(table), len(verdict.CAUSES)))
        for seed in SCORED:
            train, test = (phantom != seed) & acts, phantom == seed
            model = fit(table[train], planted[train])
            probability[test] = rule.probabilities(model, table[test])
        for which, used in (("acting", acts), ("all", np.ones(len(acts), bool))):
            nothing = used & (planted == "unexplained")
            for allowed in (rule.ALLOWED, rule.STRICT):
                called = rule.call(probability, rule.threshold(probability[nothing], allowed))
                recall = [
                    np.mean(called[used & (planted == cause)] == cause)
                    for cause in verdict.CAUSES[:-1]
                ]
                print(
                    f"{name}, {which}, nothing at {allowed:.0%}: {np.mean(recall):.3f}",
                    np.round(recall, 2),
                    flush=True,
                )


def checked() -> None:
    """Of each phantom's network, alone, what its planted errors promise against what is found in
    its test errors, whose causes are planted as well."""
    for seed in SCORED:
        run = network(seed)
        splits = dataset.load_for(run.info["params"], run.info["data_digest"])
        model = record.load_model(run, len(splits.class_names))
        began = time.process_time()
        judged = judgement.judge(run, model, splits, {}, LAYER, KEPT)
        print(f"phantom {seed}, judged in {time.process_time() - began:.0f} s of processor time")
        true, called = causes(run, splits, judged.position), judged.verdicts["verdict"].to_numpy()
        kept(f"phantom {seed}", judged.mixture, called, true)
        found = verdict_score.checked(judged, run, splits)
        print(verdict_score.agreement_view(found).to_string(), flush=True)


def people(study: str, arm: str) -> None:
    """AUC of what the other runs say, over one run's errors that reviewers were asked about."""
    every = [
        record.load_run(path.parent)
        for path in sorted((artefacts.ROOT / "released" / study).glob("*/seed-*/run.json"))
    ]
    (run,) = [one for one in every if one.path.parent.name == arm and one.path.name == "seed-42"]
    splits = dataset.load_for(run.info["params"], run.info["data_digest"])
    others = [one for one in every if one is not run]
    for name, asked in (("all other runs", others), ("none", [])):
        print(name, label_doubt.against_people(run, asked, splits))


def reviewed(study: str, arm: str, others: int) -> None:
    """What the linear rule promises of its verdicts at the mix of errors drawn at random, and how
    often most reviewers accept the predicted class, where they were asked, by what it calls it."""
    run, model, splits, every = loaded(study, arm)
    asked, asks = readings.subject(run, model, splits, LAYER), asked_of(every, others)
    position, accepted = label_doubt.accepted(run, splits)
    order = np.argsort(position)
    position, accepted = position[order], accepted[order]
    drawn, found = (
        judgement.read_errors(run, asked, splits, asks, places, wanted(study).quick)
        for places in (stage.sample(run, wanted(study).probed), position)
    )
    spiked = together(list(by_strength(study, arm, others).values()))
    learnt = rule.learn(*spiked, boosted=False)
    mix = mix_of(learnt, spiked, drawn, judgement.call(learnt, drawn))
    low, called = np.nanquantile(mix.drawn_precision, 0.025, axis=0), judgement.call(learnt, found)
    print(f"told apart {mix.apart:.2f}; of {len(position)} errors that they were asked about:")
    for place, name in enumerate(verdict.CAUSES):
        here, share = called == name, mix.shares[place]
        words = f"promised from {low[place]:.2f}, in equal shares {mix.evenly[place]:.2f}"
        print(f"  {name}: {here.sum()}, accepted {accepted[here].mean():.2f}; {words}, {share:.2f}")
    doubt = rule.probabilities(learnt.model, found)[:, verdict.CAUSES.index("label_error")]
    print("AUC", label_doubt.auc_interval(doubt, accepted, 0))


def network(seed: int) -> record.Run:
    """The baseline of the phantom with that data seed, trained as the study trains; a finished one
    is not trained again."""
    outputs = KEPT / f"phantom-{seed}"
    command = [sys.executable, "-m", "lib", "train", "phantom", "--runs", "baseline/42"]
    command += ["--outputs", str(outputs), "-p", "data_seed", str(seed)]
    subprocess.run(command, cwd=artefacts.ROOT, check=True)
    return record.load_run(outputs / "phantom" / "baseline" / "seed-42")


if __name__ == "__main__":
    verbs = {"plant": plant, "score": score, "strengths": strengths, "people": people}
    verbs |= {"reviewed": reviewed, "promised": promised, "phantoms": phantoms, "checked": checked}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=verbs)
    parser.add_argument("study", nargs="?", default="cifar100")
    parser.add_argument("arm", nargs="?", default="baseline")
    parser.add_argument("--others", type=int, default=1, help="networks asked a second opinion")
    parser.add_argument(
        "--strength", default="", help="of what is planted: MEDIUM, SMALLER, LARGER"
    )
    parser.add_argument("--seed", type=int, default=42, help="of the run")
    given = parser.parse_args()
    torch.set_num_threads(1)
    of_run = [given.study, given.arm]
    words = {"people": of_run, "promised": [*of_run, given.others, given.strength, given.seed]}
    words |= dict.fromkeys(("phantoms", "checked"), [])
    verbs[given.verb](*words.get(given.verb, [*of_run, given.others]))

"""Intervals over test images and seeds. One set of draws serves every number, so that every
difference is paired. Arms have the seeds they have; a difference is over those that its arms share.

A draw takes as many test images as there are, with replacement, the same ones in every arm and
seed; with two seeds or more it also takes one seed fewer than there are, with replacement, the same
ones in every arm. Images and seeds are drawn independently of one another: the pigeonhole bootstrap
(Owen 2007, https://doi.org/10.1214/07-AOAS122). One seed fewer makes the variance between seeds
unbiased (Rao and Wu 1988, https://doi.org/10.1080/01621459.1988.10478591). Few seeds have too few
draws for their tails, so an interval is no narrower than Student's over the seeds alone. With one
seed the images alone are drawn. Temperatures stay those fitted on validation.

A calibration error is never below 0, so chance raises it, the more so the less confident a network
is: of two calibrated networks the less confident one has the larger error. See `interval` for how a
difference is kept from being that alone."""

import numpy as np

from lib.evaluation.paired import (
    Interval,
    hull,
    paired_seeds,
    percentiles,
    student,
    student_p,
)
from lib.evaluation.per_image import columns, scores
from lib.evaluation.significance import chance_error

PIECE, CELLS = 250, 2**22  # draws at a time, and draws times images: 16 MB a copy
ROWS = 2**14  # images over which float32 adds up; beyond, a sum would outgrow what is added to it
BINS = 15
LEVELS = (0.90, 0.99)  # confidence at which errors are counted
# what a draw adds up: right answers, then errors at LEVELS before and after scaling, then losses
SUMS = (
    "test_accuracy",
    "errors_ge_90",
    "errors_ge_99",
    "errors_ge_90_scaled",
    "errors_ge_99_scaled",
    "nll",
    "brier",
    "nll_scaled",
    "brier_scaled",
)
LESS_CHANCE = "_less_chance"


def image_counts(images: int, draws: int, seed: int = 0):
    """How often each image is drawn, piece by piece: float32 (at most PIECE, images), the same
    draws in pieces of any size."""
    generator, piece = np.random.default_rng(seed), min(PIECE, max(CELLS // images, 1))
    for start in range(0, draws, piece):
        chosen = generator.integers(images, size=(min(piece, draws - start), images))
        yield np.stack([np.bincount(draw, minlength=images).astype(np.float32) for draw in chosen])


def seed_shares(seeds: int, draws: int, seed: int = 1) -> np.ndarray:
    """The weight of each seed in each draw, (draws, seeds); rows sum to 1."""
    if seeds == 1:
        return np.ones((draws, 1))
    return np.random.default_rng(seed).multinomial(seeds - 1, np.full(seeds, 1 / seeds), draws) / (
        seeds - 1
    )


def ranked(
    confidence: np.ndarray, correct: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The images, most confident first; which of them are wrong; which end a block of equal
    confidences. Each (images,)."""
    order = np.argsort(-confidence, kind="stable")
    return order, ~correct[order], np.append(np.diff(confidence[order]) != 0, True)


def areas(
    counts: np.ndarray, order: np.ndarray, wrong: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """AURC and AUGRC of each draw, (draws,), from counts (draws, images) and what `ranked`
    gives."""
    drawn = np.take(counts, order, axis=1)
    accepted, errors = np.cumsum(drawn, 1), np.cumsum(drawn * wrong, 1)
    if not end.all():  # equal confidences are accepted together
        accepted, errors = accepted[:, end], errors[:, end]
        drawn = np.diff(accepted, axis=1, prepend=0)
    images = len(order)
    generalised = (
        _dot(drawn[:, 1:], errors[:, 1:] + errors[:, :-1]) + drawn[:, 0] * errors[:, 0]
    ) / (2 * images**2)
    errors /= np.maximum(accepted, 1, out=accepted)
    return _dot(drawn, errors) / images, generalised


def _dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The sum over images of one times other, both (draws, images): (draws,)."""

    def product(rows):
        return np.einsum(
            "nd,nd->d", *(np.ascontiguousarray(part[:, rows].T) for part in (one, other))
        )

    return _added(product, one.shape[1])


def _added(product, images: int) -> np.ndarray:
    """The sum of product(slice of images): over ROWS of them in the product's own precision, those
    sums in float64."""
    parts = [product(slice(start, start + ROWS)) for start in range(0, max(images, 1), ROWS)]
    return np.sum(parts, axis=0, dtype=np.float64).astype(parts[0].dtype)


def least_aurc(errors, images: int) -> np.ndarray:
    """AURC of a score that ranks every right answer first, without ties: (e - (n - e) (H(n) - H(n -
    e))) / n."""
    harmonic = np.append(0.0, np.cumsum(1 / np.arange(1, images + 1)))
    errors = np.rint(errors).astype(int)
    return (errors - (images - errors) * (harmonic[images] - harmonic[images - errors])) / images


def _cells(confidence: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.arange(1, BINS) / BINS, confidence, side="left")


def _chance(run, temperature: float) -> dict[str, float]:
    """`chance_error` of the calibration errors that a draw has, by name."""
    correct, found = (
        run.test.correct,
        {"ece": columns(run.test), "ece_scaled": columns(run.test, temperature)},
    )
    return {
        name: chance_error(one.confidence - correct, _cells(one.confidence))
        for name, one in found.items()
    }


def _linear(run, temperature: float) -> np.ndarray:
    """What a draw only has to add up, float32 (images, SUMS + 2 BINS): see `_from_sums`."""
    correct, plain, scaled = run.test.correct, columns(run.test), columns(run.test, temperature)
    table = np.zeros((len(correct), len(SUMS) + 2 * BINS), np.float32)
    sure = [~correct & (one.confidence >= level) for one in (plain, scaled) for level in LEVELS]
    for place, values in enumerate(
        [correct, *sure, plain.log_loss, plain.brier, scaled.log_loss, scaled.brier]
    ):
        table[:, place] = values
    for number, one in enumerate((plain, scaled)):
        cell = len(SUMS) + number * BINS + _cells(one.confidence)
        table[np.arange(len(correct)), cell] = one.confidence - correct
    return table


def _from_sums(sums: np.ndarray, images: int) -> dict[str, np.ndarray]:
    gaps = np.abs(sums[len(SUMS) :]) / images
    numbers = {
        name: of_name if name.startswith("errors") else of_name / images
        for name, of_name in zip(SUMS, sums)
    }
    return numbers | {
        "errors": images - sums[0],
        "ece": gaps[:BINS].sum(0),
        "ece_scaled": gaps[BINS:].sum(0),
    }


def _of_run(counts, linear, chance: dict, rankings: dict) -> dict[str, np.ndarray]:
    images = len(linear)
    numbers = _from_sums(
        _added(lambda rows: linear[rows].T @ np.ascontiguousarray(counts[:, rows].T), images),
        images,
    )
    for name, error in chance.items():
        numbers[name + LESS_CHANCE] = numbers[name] - np.sqrt(2) * error
    for name, ranking in rankings.items():
        ending = "" if name == "softmax" else f"_{name}"
        numbers[f"aurc{ending}"], numbers[f"augrc{ending}"] = areas(counts, *ranking)
        numbers[f"e_aurc{ending}"] = numbers[f"aurc{ending}"] - least_aurc(
            numbers["errors"], images
        )
    return numbers


def resample(
    trained: dict[str, dict], temperatures: dict[str, list[float]], draws: int
) -> dict[str, dict[str, np.ndarray]]:
    """Every number of every arm in every draw and seed: {arm: {name: (draws, seeds)}}.

    trained: {arm: {seed: run}}, all on the same test images in the same order, each arm with the
    seeds that it has; temperatures: one a seed. Calibration errors stand there a second time, with
    LESS_CHANCE after the name: less what a draw from a calibrated network would show, sqrt(2)
    `chance_error`, for to the chance of the test images a draw adds as much again."""
    of_runs = [
        (
            arm,
            _linear(run, temperature),
            _chance(run, temperature),
            {name: ranked(score, run.test.correct) for name, score in scores(run.test).items()},
        )
        for arm, of_seeds in trained.items()
        for run, temperature in zip(of_seeds.values(), temperatures[arm])
    ]
    pieces = [
        [_of_run(counts, *rest) for _, *rest in of_runs]
        for counts in image_counts(len(of_runs[0][1]), draws)
    ]
    joined = {arm: {name: [] for name in pieces[0][0]} for arm in trained}
    for place, (arm, *_) in enumerate(of_runs):
        for name, values in joined[arm].items():
            values.append(np.concatenate([piece[place][name] for piece in pieces]))
    return {
        arm: {name: np.column_stack(columns) for name, columns in of_arm.items()}
        for arm, of_arm in joined.items()
    }


def interval(
    sampled: dict,
    numbers: dict,
    coefficients: dict[str, float],
    name: str,
    against: str | None = None,
    level: float = 0.95,
) -> Interval:
    """The interval of a weighted sum of the arms' means over the seeds that they have in common,
    {after: 1, before: -1} being the change of `name`.

    numbers: {arm: {name: {"each": [a value a seed], "seeds": [...]}}}, seeds 0, 1, ... where they
    are not given; against: another number, taken from `name` in every arm. How arms are paired:
    lib.evaluation.paired.paired_seeds. With two seeds or more the interval reaches as far as
    Student's of the mean over the seeds, too. The interval of a calibration error reaches as far
    as that of the draws less chance, too: near calibration the second is right, far from it the
    first, and a difference is found where both find it.
    """
    each, draws = _difference(sampled, numbers, coefficients, name, against)
    found = [percentiles(each.mean(), drawn, level) for drawn in draws]
    return hull(found if len(each) == 1 else [*found, student(each.mean(), each, level)])


def p_value(
    sampled: dict,
    numbers: dict,
    coefficients: dict[str, float],
    name: str,
    against: str | None = None,
) -> float:
    """The two-sided p-value that belongs to `interval`: one minus the level at which 0 leaves it,
    the largest of those of its parts. Of B draws it is never below 2 / (B + 1)."""
    each, draws = _difference(sampled, numbers, coefficients, name, against)
    parts = [
        min(1.0, 2 * (1 + min((drawn <= 0).sum(), (drawn >= 0).sum())) / (len(drawn) + 1))
        for drawn in draws
    ]
    return float(max(parts if len(each) == 1 else [*parts, student_p(each)]))


def _difference(sampled, numbers, coefficients, name, against) -> tuple[np.ndarray, list]:
    """The weighted sum in each common seed, (seeds,), and its mean in each draw, (draws,): as
    drawn, and of a calibration error less chance as well."""
    columns = places(numbers, coefficients, name)

    def total(value):
        return sum(
            weight * (value(arm, name) - (value(arm, against) if against else 0))
            for arm, weight in coefficients.items()
        )

    def drawn(ending):
        values = total(
            lambda arm, what: sampled[arm][what + ending][:, columns[arm]].astype(np.float64)
        )
        return (values * seed_shares(values.shape[1], len(values))).sum(1)

    each = total(lambda arm, what: np.array(numbers[arm][what]["each"])[columns[arm]])
    endings = [
        ending
        for ending in ("", LESS_CHANCE)
        if all(name + ending in sampled[arm] for arm in coefficients)
    ]
    return each, [drawn(ending) for ending in endings]


def places(numbers: dict, arms, name: str) -> dict[str, list[int]]:
    """Where the values of the paired seeds stand among each arm's."""
    seeds = {arm: seeds_of(numbers[arm][name]) for arm in arms}
    chosen = dict(zip(seeds, paired_seeds(*seeds.values())))
    return {arm: [seeds[arm].index(seed) for seed in chosen[arm]] for arm in seeds}


def seeds_shared(numbers: dict, arms, name: str) -> list[int]:
    """The seeds, as the first arm calls them, that a difference between arms is over."""
    return paired_seeds(*(seeds_of(numbers[arm][name]) for arm in arms))[0]


def seeds_of(entry: dict) -> list[int]:
    """The seeds of a number {"each": [...], "seeds": [...]}."""
    return list(entry.get("seeds", range(len(entry["each"]))))

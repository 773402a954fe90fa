"""How long the explorer takes to answer, in its kernel: python benchmarks/explorer.py [STUDY]
[OUTPUTS] [--times N]

The widgets are worked as a browser would work them: every picture is encoded and every piece of
HTML made; what the network between kernel and browser and the drawing there take is not in it. One
thread, as in the notebook."""

import argparse
import time

import numpy as np
import torch

from lib.explorer import card
from lib.explorer.app import Explorer
from lib.explorer.loading import open_study


def actions(page: Explorer, numbers: np.random.Generator) -> dict:
    """What a reader does, by name; each call does it once, on something drawn at random."""

    def pick(control):
        others = [value for _, value in control.options if value != control.value]
        chosen = others[int(numbers.integers(len(others)))]
        return lambda: setattr(control, "value", chosen)

    def tile():
        place = int(numbers.integers(len(page.grid.rows)))
        card.bars.cache_clear()  # or the second time would be a look-up
        return lambda: page.grid.choose(place)

    def other():
        tile()()
        return pick(page.other)

    def show_all():
        for control in page.filters.values():
            control.value = ""
        page.outcome.value = "all"

    def unfiltered(action):
        show_all()
        return action

    return {
        "filter: true class": lambda: unfiltered(pick(page.filters["true"])),
        "filter: outcome": lambda: unfiltered(pick(page.outcome)),
        "filter: confidence": lambda: unfiltered(
            lambda: setattr(page.low, "value", float(numbers.uniform()) * 0.9)
        ),
        "order": lambda: unfiltered(pick(page.order)),
        "another page": lambda: unfiltered(
            lambda: setattr(
                page.grid.number, "value", int(numbers.integers(1, page.grid.number.max))
            )
        ),
        "open a card": lambda: unfiltered(tile()),
        "map of a further class": lambda: pick(page.card.maps_of),
        "threshold": lambda: (
            lambda: setattr(page.threshold.slider, "value", float(numbers.uniform()))
        ),
        "another arm": other,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", nargs="?", default="cifar100-small")
    parser.add_argument("outputs", nargs="?", default="outputs")
    parser.add_argument("--times", type=int, default=40)
    given = parser.parse_args()
    torch.set_num_threads(1)
    began = time.perf_counter()
    study = open_study(given.study, given.outputs)
    page = Explorer(study)
    print(
        f"{len(study.splits.test):,} test images, {len(study.splits.class_names)} classes, "
        f"{len(study.seeds)} arms; opened in {time.perf_counter() - began:.1f} s; seconds of "
        f"each action, {given.times} times"
    )
    for name, prepare in actions(page, np.random.default_rng(0)).items():
        taken = []
        for _ in range(given.times):
            act = prepare()
            began = time.perf_counter()
            act()
            taken.append(time.perf_counter() - began)
        print(
            f"{name:24} median {np.median(taken):.3f}  95th percentile "
            f"{np.percentile(taken, 95):.3f}"
        )


if __name__ == "__main__":
    main()

"""What stands under the probes' figures and what is read aloud in their place; every number comes from the data drawn."""

import pandas as pd

from lib.base.text import listed, name, percent, plural, readable, signed

FILLINGS = {
    "mean": "the mean colour of the training pixels",
    "blur": "a blurred copy of the picture",
    "noise": "noise",
}


def deletion_insertion(numbers: dict[str, dict], filling: str) -> dict[str, str]:
    """numbers: lib.diagnosis.faithfulness.summary by arm; filling: the kind of filling of deleted cells."""
    images = listed([f"{of_arm['images']:,} of {name(arm)}" for arm, of_arm in numbers.items()])
    said = "; ".join(
        f"{readable(arm)} "
        + ", ".join(
            f"{curve} {of_arm[curve]['map']:.3f} against {of_arm[curve]['random']:.3f}"
            for curve in ("deletion", "insertion")
        )
        for arm, of_arm in numbers.items()
        if of_arm["images"]
    )
    return {
        "caption": "Deletion and insertion: the probability of the wrong class, before scaling, while the cells of its map are covered by "
        f"{FILLINGS[filling]} (left), or shown in a picture of nothing else (right), the hottest first, against cells in "
        f"random order. Means over the errors ({images}); bands are pointwise 95% intervals of the mean. The more the "
        "map says of what the network uses, the faster its line falls on the left and rises on the right.",
        "alt": f"Deletion and insertion curves. Areas in the map's order against random order: {said or 'none'}.",
    }


def randomisation(table: pd.DataFrame) -> dict[str, str]:
    """table: from lib.diagnosis.randomisation.table."""
    said = "; ".join(
        f"{readable(arm)}: "
        + ", ".join(f"{row.stage} {signed(row.correlation, 2)}" for row in rows.itertuples())
        for arm, rows in table.groupby("arm", sort=False)
    )
    images = (
        f"{table['images'].min():,}"
        if table["images"].nunique() == 1
        else f"{table['images'].min():,} to {table['images'].max():,}"
    )
    return {
        "caption": "Do the maps depend on the weights? The network's stages get random weights one after the other, from the last "
        "down; Spearman correlation of each map's cells with the map of the trained network, mean over "
        f"{images} images with its 95% interval. A map that depends on what was learnt falls to 0. Dotted: the mean without "
        "sign, which for cells in random order is at the dashed line.",
        "alt": f"Rank correlation by stage made random, from the top down. {said}.",
    }


def probe_effects(table: pd.DataFrame) -> dict[str, str]:
    """table: from lib.diagnosis.probes.table."""
    said = "; ".join(
        f"{readable(arm)}: "
        + ", ".join(
            f"{readable(row.probe)} {percent(row.flip, 0)} ({percent(row.to_true, 0)})"
            for row in rows.itertuples()
        )
        for arm, rows in table.groupby("arm", sort=False)
    )
    images = listed(
        [
            f"{plural(int(rows['images'].max()), 'error')} of {name(arm)}"
            for arm, rows in table.groupby("arm", sort=False)
        ]
    )
    return {
        "caption": f"What each change of the picture does to a wrong prediction, over {images}: how often another class wins, and "
        "how often that is the true one, with 95% Wilson intervals. Hottest, coldest and random cells: a quarter of the map's. Detail is "
        "what a Gaussian of 2 pixels (fine: 1) takes away, at a side of 32 px.",
        "alt": f"Share of errors that another class wins after each probe, and in brackets the true class. {said}.",
    }

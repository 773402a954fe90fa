"""Numbers that readers look for besides accuracy: their captions, and what is said of them."""

from lib.base.text import escape

CAPTIONS = {
    "measures": (
        "Top-5: the share of images whose true class is among the five likeliest. Macro-F1: the "
        "mean of the classes' F1. Balanced accuracy: the mean of the classes' accuracies. Means "
        "over the seeds, where there are several."
    ),
    "class-ends": (
        "The worst and the best classes of the arms compared. The intervals, Clopper and "
        "Pearson's, hold for all classes together. Means over the seeds, where "
        "there are several."
    ),
    "sets": (
        "Conformal sets: as many classes an image as a limit from validation asks for. Coverage is "
        "the share of test images whose set holds the true class; allowed is what chance allows it "
        "to be in 95 of 100 studies. Means over the seeds, where there are several."
    ),
    "groups": (
        "The arms by group of images. Of each group the change is tested, with the false discovery "
        "rate held at 5 % over all groups."
    ),
    "outside": (
        "Pictures that belong to no class, told from test images by two scores. AUROC: the chance "
        "that a test image scores higher; FPR: the share of outside pictures above the threshold "
        "that 95 % of the test images pass."
    ),
}


def notes(results: dict) -> str:
    """What could not be measured, a sentence each; "" for nothing."""
    compared = results["compare"]
    lines = [row["note"] for row in compared["measures"]["sets"] if row["note"]]
    lines += (compared["groups"] or {}).get("notes", [])
    lines += filter(None, [(compared["outside"] or {}).get("note", "")])
    return " ".join(f"{escape(line[0].upper() + line[1:])}." for line in dict.fromkeys(lines))


def exhibits(results: dict) -> list[str]:
    """The tables that there are."""
    compared = results["compare"]
    names = ["measures", "class-ends", "sets"] + ["groups"] * bool(compared["groups"])
    names += ["outside"] * bool((compared["outside"] or {}).get("scores"))
    return [f"tables/{name}" for name in names]

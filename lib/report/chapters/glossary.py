"""What the report's terms mean, a line each."""

from lib.report import training as study

TERMS = {
    "Arm": "one setting of the training; its *seeds* are repeats with other random numbers.",
    "Confidence": "the largest softmax probability of a prediction.",
    "Temperature scaling": "all logits divided by one number, fitted on validation; it changes no "
    "prediction, only how sure it is.",
    "ECE": "expected calibration error: how far confidence and accuracy lie apart on average, in "
    "bins of confidence.",
    "Coverage, risk": "the share of predictions that are accepted, and the share of errors among "
    "them.",
    "AURC, E-AURC": "the area under the curve of risk against coverage, and how far it lies above "
    "that of a perfect ranking of as many errors.",
    "Corrected, regressed": "images that the second arm alone gets right, and that the first alone "
    "gets right.",
    "95% interval": "from bootstrap draws of the test images, and of seeds where there are "
    "several, unless said otherwise.",
    "McNemar's test": "whether more images are corrected than regressed than chance would have it.",
    "Superclass": "a group of classes that are alike; an error inside it is a smaller one.",
    "Discovery, confirmation half": "the test images parted by the parity of their ids, or by a "
    "hash of ids that are text: hypotheses are formed on the one and tested on the other.",
    "Grad-CAM": "a map of what each cell of a layer adds to the logit of a class.",
    "Probe": "a change of the picture after which the network is asked again.",
    "Verdict": "the cause that a written rule gives to an error from what the probes did.",
    "Ledger": "an earlier study's claims, each judged by a rule stated beforehand.",
}


def glossary(results: dict) -> str:
    """A list of the terms that this report uses."""
    exact = (results["compare"].get("mcnemar") or {}).get("n") == 1
    absent = {"McNemar's test": not exact, "Ledger": not results["ledger"]["claims"]}
    absent["Corrected, regressed"] = not results["compare"]["after"]
    pictures = study.pictured(results) and bool(results["gradcam"]["asked"])
    absent |= dict.fromkeys(("Grad-CAM", "Probe", "Verdict"), not pictures)
    absent["Arm"] = not results["study"]["widths"]
    absent["Superclass"] = not results["failures"]["severity"]
    return "\n".join(
        f"- **{term}**: {meaning}" for term, meaning in TERMS.items() if not absent.get(term)
    )

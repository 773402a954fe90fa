"""The sources of the methods that a report uses, as the report lists them."""


def _arxiv(number: str) -> str:
    return f"[arXiv:{number}](https://arxiv.org/abs/{number})"


def _doi(name: str) -> str:
    return f"[doi:{name}](https://doi.org/{name})"


def methods(results: dict) -> list[tuple[str, str]]:
    """(what, source in Markdown) of each method whose numbers are in `results`, in the order of the report."""
    study, compare, failures, cam = (
        results[part] for part in ("study", "compare", "failures", "gradcam")
    )
    known, paired, photographs = (
        failures["known"],
        bool(compare["after"]),
        study["data"] == "CIFAR-100",
    )
    several = len(study["seeds"]) > 1
    entries = [
        (
            photographs,
            "CIFAR-100",
            "Krizhevsky 2009, "
            "[technical report](https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf)",
        ),
        (True, "ResNet", f"He, Zhang, Ren and Sun 2016, {_arxiv('1512.03385')}"),
        (
            any(share is not None for share in study["mean_lambda"].values()),
            "CutMix",
            f"Yun et al. 2019, {_arxiv('1905.04899')}",
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
            photographs and bool(known["opinion"]),
            "reviews of the test labels",
            f"Northcutt, Athalye and Mueller 2021, {_arxiv('2103.14749')}",
        ),
        (
            known["duplicates"] is not None,
            "near-duplicates",
            f"Barz and Denzler 2020, {_arxiv('1902.00423')}",
        ),
        (True, "Grad-CAM", f"Selvaraju et al. 2017, {_arxiv('1610.02391')}"),
        (
            bool(cam["faithfulness"]),
            "deletion and insertion",
            f"Petsiuk, Das and Saenko 2018, {_arxiv('1806.07421')}",
        ),
        (bool(cam["faithfulness"]), "occlusion", f"Zeiler and Fergus 2014, {_arxiv('1311.2901')}"),
        (
            bool(cam["faithfulness"]),
            "maps of random weights",
            f"Adebayo et al. 2018, {_arxiv('1810.03292')}",
        ),
        (
            True,
            "intervals of shares",
            f"Clopper and Pearson 1934, {_doi('10.1093/biomet/26.4.404')}",
        ),
        (
            bool(cam["faithfulness"]),
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
    ]
    return [(what, source) for used, what, source in entries if used]


def sources(results: dict) -> str:
    """The list in Markdown."""
    return "\n".join(
        f"- {what[0].upper() + what[1:]}: {source}" for what, source in methods(results)
    )

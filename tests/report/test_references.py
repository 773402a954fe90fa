"""The list of sources names what this report used, and nothing else."""

import re

import pytest

from lib.base.artefacts import ROOT
from lib.report import provenance

NOTHING = {
    "study": {
        "data": "the phantom",
        "networks": ["resnet18"],
        "remedies": [],
        "label_smoothing": {"baseline": 0.0},
        "seeds": [42],
    },
    "compare": {"after": "", "robustness": None, "outside": None},
    "gradcam": {"faithfulness": {}},
    "failures": {"severity": None, "known": {"opinion": {"named": []}, "duplicates": None}},
    "ledger": {"claims": 0},
}


def named(**changed) -> set[str]:
    return {
        what
        for what, _ in provenance.methods(
            {part: of_part | changed.get(part, {}) for part, of_part in NOTHING.items()}
        )
    }


@pytest.mark.parametrize(
    "changed, more",
    [
        ({"study": {"data": "CIFAR-100"}}, {"CIFAR-100", "reviews of the test labels"}),
        ({"study": {"data": "CIFAR-10"}}, {"CIFAR-10"}),
        *(
            ({"study": {"remedies": ["crop and flip", remedy]}}, {remedy})
            for remedy in ("CutMix", "MixUp", "Cutout", "cosine schedule")
        ),
        ({"study": {"label_smoothing": {"cutmix": 0.1}}}, {"label smoothing"}),
        (
            {"study": {"seeds": [42, 43]}},
            {"bootstrap over images and seeds", "variance between seeds"},
        ),
        (
            {"compare": {"after": "cutmix"}},
            {
                "exact test of paired predictions",
                "intervals of classes",
                "false discovery rate",
                "two one-sided tests",
            },
        ),
        ({"compare": {"robustness": {"images": 1000}}}, {"corruptions"}),
        ({"gradcam": {"randomisation": [{}]}}, {"maps of random weights"}),
        ({"failures": {"severity": {"bands": []}}}, {"superclass distance"}),
        ({"failures": {"known": {"opinion": None, "duplicates": 959}}}, {"near-duplicates"}),
        (
            {"gradcam": {"faithfulness": {"baseline": {}}}},
            {
                "deletion and insertion",
                "occlusion",
                "intervals of the effects of probes",
            },
        ),
    ],
)
def test_a_method_is_named_where_it_was_used(changed, more):
    assert named(**changed) - named() == more and named() <= named(**changed)


def test_several_seeds_have_their_own_test_of_paired_predictions():
    one, two = (
        named(compare={"after": "cutmix"}),
        named(compare={"after": "cutmix"}, study={"seeds": [42, 43]}),
    )
    assert one - two == {"exact test of paired predictions"}
    assert two - one == {
        "bootstrap over images and seeds",
        "variance between seeds",
        "sign-flip test of paired predictions",
        "chance of the seeds in the tests of classes",
    }


def papers(text: str) -> set[str]:
    """The arXiv numbers and the DOIs that a text names."""
    return {
        name.rstrip(".")
        for name in re.findall(r"(?:arxiv\.org/abs/|arXiv:|doi\.org/|doi:)([^\s)\]\",;:]+)", text)
    }


def test_the_list_and_the_code_cite_the_same_papers():
    everything = {
        "study": NOTHING["study"]
        | {
            "data": "CIFAR-100",
            "remedies": ["CutMix", "MixUp", "Cutout", "cosine schedule"],
            "label_smoothing": {"a": 0.1},
            "seeds": [1, 2],
        },
        "compare": {"after": "a", "robustness": {"images": 1}, "outside": {"scores": []}},
        "ledger": {"claims": 1},
        "gradcam": {
            "faithfulness": {"a": {}},
            "layers": {"a": "layer4"},
            "randomisation": [1],
            "rule": {"a": 1},
        },
        "failures": {"severity": {"a": 1}, "known": {"opinion": {"a": 1}, "duplicates": 1}},
    }
    one_seed = everything | {"study": everything["study"] | {"seeds": [1]}}
    listed = provenance.sources(everything) + provenance.sources(one_seed)
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "lib").rglob("*.py")
        if path.name != "provenance.py"
    )
    assert len(papers(listed)) > 20
    assert papers(listed) - papers(code) == {"1512.00567"}  # torch smooths labels
    # a random stream, no method of the report
    assert papers(code) - papers(listed) == {"10.1145/2660193.2660195"}

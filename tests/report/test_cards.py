"""Diagnosis cards: the bars are the responses, the verdicts are those that may be given, and
pictures keep their pixels."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from lib.base.text import readable
from lib.diagnosis import evidence, probes, readings
from lib.diagnosis.verdict import CAUSES
from lib.report import cards, exhibits, style

ERRORS = 6
HOSTILE = ["<script>alert(1)</script>", r"$\frac{1}{0}$ a_b^c", "x" * 300]


@pytest.fixture(autouse=True)
def closed():
    style.apply()
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def found():
    generator = np.random.default_rng(0)
    responses = {
        name: probes.Response(
            *generator.normal(size=(2, 3, ERRORS)),
            *generator.random((2, 3, ERRORS)),
            generator.integers(5, size=(3, ERRORS)),
        )
        for name in probes.LABELS
    }
    maps = torch.from_numpy(generator.normal(size=(ERRORS, 2, 4, 4))).float()
    return evidence.Evidence(
        np.arange(ERRORS), None, None, generator.random((ERRORS, 2)), maps, responses
    )


@pytest.fixture(scope="module")
def verdicts():
    """Rows as lib.diagnosis.judgement.decide gives them, all trusted but the first."""
    return pd.DataFrame(
        [
            one(cause, led=led, value=value, turns=value - 0.5, trusted=row > 0)
            for row, (cause, led, value) in enumerate(
                zip(CAUSES[:4] + CAUSES[:2], readings.READINGS, np.linspace(-1.2, 1.4, ERRORS))
            )
        ]
    )


@pytest.fixture
def cases():
    return pd.DataFrame(
        {
            "id": [1234, 77, 5],
            "true": ["aquarium_fish", *HOSTILE[:2]],
            "predicted": HOSTILE[::-1],
            "row": [4, 0, 2],
        }
    )


IMAGES = np.random.default_rng(2).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)


def one(verdict="background", value=0.4, turns=0.3, **options):
    return pd.Series(
        {
            "verdict": verdict,
            "trusted": True,
            "probability": 0.83,
            "low": 0.71,
            "high": 0.9,
            "second": "look_alike",
            "led": "window lead max",
            "value": value,
            "turns": turns,
            "instead": "label_error",
        }
        | options
    )


@pytest.mark.parametrize("row", [0, 5])
def test_bars_are_means_of_the_responses(found, row):
    table = cards.probe_bars(found, row).set_index("picture")
    assert (
        table.index.tolist() == list(cards.BARS)
        and table.loc["as it is"].tolist() == found.whole[row].tolist()
    )

    def mean(which, *names):
        return sum(
            float(draw[row]) for name in names for draw in getattr(found.responses[name], which)
        ) / (3 * len(names))

    for which in ("wrong", "true"):
        assert table.loc["hottest cells covered", which] == pytest.approx(
            mean(which, "hot:mean", "hot:blur", "hot:noise")
        )
        assert table.loc["only hottest cells", which] == pytest.approx(
            mean(which, "only-hot:mean", "only-hot:blur", "only-hot:noise")
        )
        assert table.loc["patches shuffled", which] == pytest.approx(mean(which, "shuffle:4"))
        assert table.loc["no detail", which] == pytest.approx(mean(which, "low:2"))


def test_the_table_says_the_verdict_what_led_to_it_and_what_would_turn_it(cases, found, verdicts):
    known = cases.assign(cause=["none", "second_object", "background"])
    table = cards.card_table(known, found, verdicts, np.array([0.1, 0.2, 0.71]))
    assert table.columns.tolist() == [
        *("id", "true", "predicted", "verdict", "probability", "evidence", "turned if"),
        *("other runs agree", "planted"),
    ]
    assert table["planted"].tolist() == ["none", "second object", "background"]
    assert table["other runs agree"].tolist() == ["10%", "20%", "71%"]
    # row 0 of the verdicts is not trusted
    assert table["verdict"].tolist() == ["background", "no verdict", "look alike"]
    assert table["probability"].isna().tolist() == [False, True, False]
    assert table["probability"][0] == "83.0% (71.0% to 90.0%)"
    for said, row in zip(table.itertuples(index=False), (4, 0, 2)):
        if row == 0:
            assert said.evidence.startswith("With the hottest cells covered, ") and pd.isna(said[6])
            continue
        expected = verdicts.iloc[row]
        value, turns = (f"{expected[name]:.2f}".replace("-", "−") for name in ("value", "turns"))
        assert said.evidence == f"{readings.READINGS[expected['led']]}: {value}"
        assert said[6] == f"at {turns}, all else equal, it would be label error"


def test_without_a_rule_there_is_no_verdict(cases, found):
    table = cards.card_table(cases, found, None)
    assert table.columns.tolist() == ["id", "true", "predicted", "evidence"]
    assert "turned" not in cards.table_caption("base", table)
    assert "no verdict" in cards.alt(cases, None)
    texts = [text.get_text() for text in cards.draw_cards(cases, IMAGES, found, None).texts]
    assert texts.count("no verdict") == 3


@pytest.mark.parametrize(
    "wrong, true, told",
    [
        (
            (0.97, 0.07),
            (0.02, 0.50),
            "tag rises to 50%: the rest of the picture speaks more for it than for disc",
        ),
        (
            (0.50, 0.26),
            (0.30, 0.54),
            "tag rises to 54%: the rest of the picture speaks more for it than for disc",
        ),
        (
            (0.17, 0.01),
            (0.08, 0.32),
            "tag rises to 32%: the rest of the picture speaks more for it than for disc",
        ),
        ((0.97, 0.44), (0.02, 0.38), "tag rises to 38%, disc has 44%."),
        ((0.97, 0.12), (0.02, 0.03), "disc falls to 12%; tag has 3%: the rest of the picture"),
        ((0.97, 0.46), (0.02, 0.10), "disc falls to 46%; some of it hangs on that place"),
        ((0.97, 0.60), (0.02, 0.10), "disc falls to 60%; some of it hangs on that place"),
        ((0.97, 0.80), (0.02, 0.10), "disc keeps 80%: it does not hang on that place"),
        ((0.97, 0.06, 0.08), (0.02, 0.10), "6%, with random ones to 8%: no more hangs on that"),
        ((0.97, 0.06, 0.17), (0.02, 0.10), "disc falls to 6%; tag has 10%: the rest"),
        ((0.30, 0.20), (0.20, 0.20), "disc keeps 20%: it does not hang on that place"),
    ],
)
def test_what_covering_the_hottest_cells_does_is_told(wrong, true, told):
    wrong, true = (wrong + wrong[:1])[:3], true + true[:1]  # random cells change nothing, if unsaid
    pictures = ["as it is", "hottest cells covered", "random cells covered"]
    bars = pd.DataFrame({"picture": pictures, "wrong": wrong, "true": true})
    assert told in cards.covered(bars, "tag", "disc")


def test_a_verdict_that_is_not_trusted_is_not_on_the_card(cases, found, verdicts):
    """Only its evidence is."""
    texts = [text.get_text() for text in cards.draw_cards(cases, IMAGES, found, verdicts).texts]
    assert texts.count("no verdict") == 1 and texts.count("background") == 1


def test_each_case_has_a_row_of_three_pictures_with_its_own_maps(cases, found, verdicts):
    figure = cards.draw_cards(cases, IMAGES, found, verdicts)
    shown = [axis for axis in figure.axes if axis.images]
    assert len(shown) == 9 and len(figure.axes) == 12
    for place in range(3):
        picture, wrong, true = shown[3 * place : 3 * place + 3]
        assert (picture.images[0].get_array() == IMAGES[place].transpose(1, 2, 0)).all()
        assert (
            len({axis.get_position().y0 for axis in (picture, wrong, true)}) == 1
            and picture.get_position().x1 < wrong.get_position().x0
        )
        for axis, cam in zip((wrong, true), found.maps[cases["row"][place]].numpy()):
            colour = axis.images[0].get_array()
            hot, cold = (np.unravel_index(index, (4, 4)) for index in (cam.argmax(), cam.argmin()))
            cell = {
                where: colour[8 * y : 8 * y + 8, 8 * x : 8 * x + 8].mean((0, 1))
                for where, (y, x) in {"hot": hot, "cold": cold}.items()
            }
            # what pulls to the wrong class is purple, what pulls to the true one green, in both
            pull, other = ("hot", "cold") if axis is wrong else ("cold", "hot")
            assert cell[pull][1] < cell[pull][0] and cell[other][1] > cell[other][0]
        assert str(cases["id"][place]) in picture.get_title(loc="left")
    told = [text.get_text().replace("\n", " ") for text in figure.texts]
    for case, cause in zip(cases.itertuples(), ("background", "no verdict", "look_alike")):
        said, bars = verdicts.iloc[case.row], cards.probe_bars(found, case.row)
        assert readable(cause) in told and cards.evidence(case, cause, said, bars) in told


def test_all_maps_of_a_figure_share_one_scale(cases, found, verdicts):
    weak = found._replace(maps=found.maps * torch.tensor([1.0, 1, 1, 1, 0.01, 1]).view(-1, 1, 1, 1))
    few = [
        axis.images[0].get_array()
        for axis in cards.draw_cards(cases, IMAGES, weak, verdicts).axes
        if axis.images
    ]
    spread = [np.ptp(np.asarray(one)[..., 0] - np.asarray(one)[..., 2]) for one in (few[1], few[4])]
    assert spread[0] < 0.1 * spread[1]


@pytest.mark.parametrize("number", [1, 3])
def test_pictures_are_drawn_by_whole_pixels(found, verdicts, number):
    few = pd.DataFrame({"id": range(number), "true": "a", "predicted": "b", "row": range(number)})
    images = np.random.default_rng(3).integers(0, 256, (number, 3, 32, 32), dtype=np.uint8)
    figure = cards.draw_cards(few, images, found, verdicts)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=exhibits.PIXELS_PER_INCH)
    drawn = np.round(255 * plt.imread(io.BytesIO(buffer.getvalue()))[..., :3]).astype(int)
    scale = exhibits.PIXELS_PER_INCH / figure.dpi
    for axis in (axis for axis in figure.axes if axis.images):
        left, bottom, width, height = np.asarray(axis.get_window_extent().bounds) * scale
        # six pixels for each of 32
        assert round(width) == round(height) == 192 and abs(width - 192) < 0.1
        pixels = np.asarray(axis.images[0].get_array())
        pixels = pixels.astype(int) if pixels.dtype == np.uint8 else np.round(255 * pixels)
        large, top = pixels.repeat(6, 0).repeat(6, 1), len(drawn) - round(bottom + height)
        assert any(
            (np.abs(drawn[top + down : top + down + 192, start : start + 192] - large) <= 1).all()
            for down in (0, 1)
            for start in (int(left), int(left) + 1)
        )


def test_the_longest_evidence_stays_on_its_card_and_type_is_large_enough(found):
    every = pd.DataFrame([one("second_object", -10.25, led=led) for led in readings.READINGS])
    longest = every.iloc[[every["led"].map(readings.READINGS).str.len().argmax()] * 3]
    few = pd.DataFrame({"id": range(3), "true": "w" * 40, "predicted": "m" * 40, "row": range(3)})
    truths = [("reviewers", "x" * 60, fits) for fits in (True, False, None)]
    figure = cards.draw_cards(few, IMAGES, found, longest, truths, np.ones(3))
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(plt.Text) if text.get_text().strip()]
    assert min(text.get_fontsize() for text in texts) >= 8
    ends = [text.get_window_extent() for text in figure.texts]
    assert max(end.x1 for end in ends) <= figure.bbox.x1 and min(end.y0 for end in ends) >= 0
    start = readings.READINGS[longest["led"].iloc[0]][1:12]
    told = [text for text in figure.texts if text.get_text()[1:].startswith(start)]
    assert len(told) == 3
    pictures = [axis.title.get_window_extent().y1 for axis in figure.axes if axis.images]
    for number, text in enumerate(told):
        assert text.get_window_extent().y0 > pictures[3 * number]


def test_truth_stands_beside_the_verdict(cases):
    from lib.evaluation.labels import Opinion

    names = ["apple", "pear"]
    given = pd.DataFrame(
        {"verdict": ["label_error", "background", "label_error"], "trusted": [True] * 3}
    )
    shown = cases.assign(row=[0, 1, 2], position=[0, 1, 2])
    flags = [np.array(values) for values in ([1, 1, 0], [1, 1, 0], [1, -1, -1])]
    said = np.array(["pear (4 of 5)", "both (3 of 5)", ""])
    opinion = Opinion(flags[0] > 0, flags[1] > 0, flags[2], said, "reviewers")
    assert cards.truths(shown, given, opinion, names) == [
        ("reviewers", "pear", True),
        ("reviewers", "both classes", False),
        ("reviewers", "not asked", None),
    ]
    planted = Opinion(*flags, np.array([""] * 3), "planted")
    known = cards.truths(
        shown.assign(cause=["none", "background", "look_alike"]), given, planted, []
    )
    assert [fits for *_, fits in known] == [False, True, False]
    # where no verdict is given, none can fit
    doubted = cards.truths(shown, given.assign(trusted=False), opinion, names)
    assert [fits for *_, fits in doubted] == [None] * 3
    assert cards.truths(shown, given, None, names) is None


def test_hostile_names_are_drawn_and_told_as_text(cases, found, verdicts, tmp_path):
    figure = cards.draw_cards(cases, IMAGES, found, verdicts)
    exhibits.show_figure(
        figure,
        "cards",
        cards.caption(HOSTILE[0]),
        cards.alt(cases, verdicts),
        tmp_path,
        cases,
        vector=False,
    )
    assert "<script" not in cards.caption(HOSTILE[0]) and "<script" not in cards.table_caption(
        HOSTILE[0], cases
    )
    titles = [axis.get_title(loc="left") for axis in figure.axes if axis.images]
    assert max(map(len, titles)) < 30 and not any(
        "$" in title.replace(r"\$", "") for title in titles
    )


def test_the_alt_text_names_every_case(cases, verdicts):
    alt = cards.alt(cases.assign(true="oak_tree", predicted="lamp"), verdicts)
    assert alt.startswith("Diagnosis cards of 3 errors. 1234, oak tree taken for lamp: ")
    assert [
        cause in part
        for cause, part in zip(("background", "no verdict", "look alike"), alt.split(";"))
    ] == [True] * 3


def test_maps_of_nothing_but_zeros_leave_the_picture_grey(cases, found, verdicts):
    figure = cards.draw_cards(
        cases, IMAGES, found._replace(maps=torch.zeros_like(found.maps)), verdicts
    )
    shown = [axis.images[0].get_array() for axis in figure.axes if axis.images][1]
    assert np.isfinite(shown).all() and np.ptp(shown, axis=2).max() < 0.02

"""The explorer's pieces of HTML. Every name comes from outside and is escaped here; pictures are
sent pixel for pixel, scaled in the browser."""

import base64
import html
import io

import numpy as np
import pandas as pd
from PIL import Image

from lib.base.text import percent, readable, signed
from lib.report.pictures import SMALL, overlay

SIDES = {"tile": 96, "map": 96, "large": 160}  # pixels on the page, whole multiples of 32


def text(value) -> str:
    """A class or arm name as it is read, safe in HTML."""
    return html.escape(readable(value))


def picture(image: np.ndarray, size: str, alt: str) -> str:
    """An <img> of (3, h, w) uint8 or (h, w, 3) in 0..1."""
    pixels = (
        image.transpose(1, 2, 0) if image.shape[0] == 3 else (255 * image).round().astype(np.uint8)
    )
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=1)
    side = SIDES[size]
    smooth = ' style="image-rendering: auto"' if len(pixels) > SMALL else ""
    return (
        f'<img class="xp-picture"{smooth} width="{side}" height="{side}" alt="{html.escape(alt)}" '
        f'src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'
    )


def mark(arm: str, colour: str) -> str:
    """An arm's name behind a patch of its colour."""
    return f'<span class="xp-arm"><i style="background:{colour}"></i>{text(arm)}</span>'


def said(predicted: str, confidence: float, correct: bool) -> str:
    """An arm's answer in words: "right: crab, 93%"."""
    return f"{'right' if correct else 'wrong'}: {readable(predicted)}, {percent(confidence, 0)}"


def tile(row, image: np.ndarray, colours: list[str]) -> str:
    """One picture of the grid with its true class and each arm's answer; row is from
    lib.explorer.selection.pair_table."""
    answers = [(row.predicted, row.confidence, row.correct)]
    if len(colours) > 1:
        answers.append((row.other_predicted, row.other_confidence, row.other_correct))
    lines = "".join(
        f'<span class="xp-answer" title="{html.escape(said(*answer))}"><i '
        f'style="background:{colour}"></i>'
        f"<b>{'✓' if answer[2] else '✗'}</b><span>{text(answer[0])}</span><em>"
        f"{percent(answer[1], 0)}</em></span>"
        for answer, colour in zip(answers, colours)
    )
    return (
        f"<figure>{picture(image, 'tile', f'Test image {row.id}, {readable(row.true)}')}"
        f'<figcaption title="{text(row.true)}">{text(row.true)}</figcaption>{lines}</figure>'
    )


def head(row, image: np.ndarray, facts: dict[str, str]) -> str:
    """The image, large, and what is known of it."""
    rows = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{text(value)}</dd>" for name, value in facts.items()
    )
    return (
        '<div class="xp-head">'
        f"{picture(image, 'large', f'Test image {row.id}, {readable(row.true)}, enlarged')}"
        f"<div><h3>Test image {row.id}</h3><dl>{rows}</dl></div></div>"
    )


def top(tables: dict[str, pd.DataFrame], colours: dict[str, str]) -> str:
    """Every arm's likeliest classes side by side; tables: arm to lib.explorer.card.top."""
    parts = []
    for arm, table in tables.items():
        rows = "".join(
            f'<tr class="{"xp-true" if row.true else ""}"><th scope="row">'
            f"{text(row.name)}{' ✓' if row.true else ''}</th>"
            f"<td>{bar(row.confidence, colours[arm])}</td><td>{percent(row.confidence)}</td></tr>"
            for row in table.itertuples(index=False)
        )
        parts.append(f"<table><caption>{mark(arm, colours[arm])}</caption>{rows}</table>")
    return (
        "<h4>Top five, confidence after temperature scaling</h4><div "
        f'class="xp-pair">{"".join(parts)}</div>'
    )


def bar(share: float, colour: str, hollow: bool = False) -> str:
    paint = f"box-shadow:inset 0 0 0 1.5px {colour}" if hollow else f"background:{colour}"
    return (
        '<span class="xp-bar" aria-hidden="true"><i '
        f'style="width:{100 * share:.1f}%;{paint}"></i></span>'
    )


def maps(
    found: list[np.ndarray],
    logits: np.ndarray,
    image: np.ndarray,
    names: list[str],
    colours: dict[str, str],
) -> str:
    """A row an arm, a column a class, all on one scale; found: of each arm (classes, h, w) in
    logits, logits: (arms, classes)."""
    limit = max(float(np.abs(of_arm).max(initial=0)) for of_arm in found) or 1.0
    columns = "".join(f'<th scope="col">{text(name)}</th>' for name in names)
    rows = []
    for (arm, colour), of_arm, its_logits in zip(colours.items(), found, logits):
        cells = "".join(
            f"<td>{picture(overlay(image, one, limit), 'map', _map_alt(arm, name, logit))}"
            f"<br>logit {signed(logit).removeprefix('+')}</td>"
            for one, name, logit in zip(of_arm, names, its_logits)
        )
        rows.append(f'<tr><th scope="row">{mark(arm, colour)}</th>{cells}</tr>')
    return (
        '<p class="xp-quiet">What each cell adds to the logit of a class; all on one scale, in '
        'logits.</p><table class="xp-maps">'
        f"<tr><td></td>{columns}</tr>{''.join(rows)}</table>"
        f'<div class="xp-scale"><span>{signed(-limit)}</span><i aria-hidden="true"></i><span>'
        f"{signed(limit)}</span></div>"
    )


def _map_alt(arm: str, name: str, logit: float) -> str:
    return f"Map of {readable(arm)} for {readable(name)}, logit {logit:.1f}"


def probed(tables: dict[str, pd.DataFrame], wrong: str, true: str, colours: dict[str, str]) -> str:
    """Probabilities of the contested classes under the probes, arms side by side; tables: arm to
    lib.report.cards.probe_bars."""
    first = next(iter(tables.values()))
    heads = "".join(f'<th scope="col" colspan="3">{mark(arm, colours[arm])}</th>' for arm in tables)
    rows = ""
    for place, label in enumerate(first["picture"]):
        cells = "".join(
            f"<td>{bar(table['wrong'][place], colours[arm])}"
            f"{bar(table['true'][place], colours[arm], hollow=True)}</td>"
            f"<td>{percent(table['wrong'][place], 0)}</td><td>"
            f"{percent(table['true'][place], 0)}</td>"
            for arm, table in tables.items()
        )
        rows += f'<tr><th scope="row">{label}</th>{cells}</tr>'
    return (
        f'<h4>Probes</h4><p>Probability of <span class="xp-key"></span><b>{text(wrong)}</b> and '
        f'of the true class <span class="xp-key xp-hollow"></span><b>{text(true)}</b> when the '
        f'picture is changed.</p><table class="xp-probes"><tr><td></td>{heads}</tr>{rows}</table>'
    )


def verdicts(sentences: dict[str, str], colours: dict[str, str]) -> str:
    """What the rule says of each arm's answer; sentences: arm to a sentence of
    lib.diagnosis.judgement or another line."""
    lines = "".join(
        f"<p>{mark(arm, colours[arm])} {html.escape(sentence)}</p>"
        for arm, sentence in sentences.items()
    )
    return f'<h4>Verdict</h4><div class="xp-verdicts">{lines}</div>'

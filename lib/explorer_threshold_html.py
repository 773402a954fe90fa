"""The threshold panel's table and its plot of risk against coverage."""
import pandas as pd

from lib.explorer_html import mark, text

WIDTH, HEIGHT = 420, 200  # of the plot, in pixels
LEFT, RIGHT, TOP, BOTTOM = 44, 92, 10, 34  # margins; the right one holds the arms' names
STEPS = (0.05, 0.1, 0.2, 0.25)  # between ticks of risk


def table(rows: dict[str, dict[str, str]], colours: dict[str, str]) -> str:
    """An arm a row: what lib.explorer_threshold.in_words says."""
    body = "".join(f'<tr><th scope="row">{mark(arm, colours[arm])}</th><td><b>{row["coverage"]}</b><br>{row["accepted"]}</td>'
                   f'<td><b>{row["risk"]}</b><br>{row["errors"]}</td></tr>' for arm, row in rows.items())
    return ('<table class="xp-points"><tr><th scope="col">arm</th><th scope="col">coverage<br>accepted</th>'
            f'<th scope="col">selective risk (95%)<br>errors among them</th></tr>{body}</table>')


def plot(curves: dict[str, pd.DataFrame], points: dict[str, pd.Series], colours: dict[str, str]) -> str:
    """Risk against coverage as SVG, each arm a curve that bears its name and a dot where the threshold puts it."""
    highest = max([curve["risk"].max() for curve in curves.values()] + [0.05])
    step = next((step for step in STEPS if highest / step <= 5), STEPS[-1])
    top = step * -(-highest // step)

    def place(coverage: float, risk: float) -> tuple[float, float]:
        return LEFT + coverage * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - risk / top * (HEIGHT - TOP - BOTTOM)

    parts = []
    for number in range(round(top / step) + 1):
        x, y = place(0, number * step)
        parts.append(f'<line class="xp-grid" x1="{x}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                     f'<text x="{x - 5}" y="{y + 3.5:.1f}" text-anchor="end">{number * step:.0%}</text>')
    for share in (0, 0.25, 0.5, 0.75, 1):
        x, y = place(share, 0)
        parts.append(f'<text x="{x:.1f}" y="{y + 14:.1f}" text-anchor="middle">{share:.0%}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 4}" text-anchor="middle">coverage</text>'
                 f'<text x="12" y="{(TOP + HEIGHT - BOTTOM) / 2}" transform="rotate(-90 12 {(TOP + HEIGHT - BOTTOM) / 2})" '
                 'text-anchor="middle">selective risk</text>')
    for height, (arm, curve) in zip(_apart([place(1, curve["risk"].iloc[-1])[1] for curve in curves.values()]), curves.items()):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*row) for row in curve[["coverage", "risk"]].to_numpy()))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colours[arm]}" stroke-width="1.8"/>'
                     f'<text x="{WIDTH - RIGHT + 7}" y="{height + 3.5:.1f}">{text(arm)}</text>')
        if points[arm]["accepted"]:
            x, y = place(points[arm]["coverage"], points[arm]["selective_risk"])
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colours[arm]}"/>')
    return (f'<svg class="xp-plot" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{_alt(points)}">'
            f'{"".join(parts)}</svg>')


def _apart(heights: list[float], gap: float = 12) -> list[float]:
    """The heights of names, moved apart where they would touch."""
    order, result = sorted(range(len(heights)), key=heights.__getitem__), list(heights)
    for one, next_one in zip(order, order[1:]):
        result[next_one] = max(result[next_one], result[one] + gap)
    return result


def _alt(points: dict[str, pd.Series]) -> str:
    said = "; ".join(f"{text(arm)}: coverage {point['coverage']:.1%}, " + (
        f"risk {point['selective_risk']:.1%}" if point["accepted"] else "nothing accepted") for arm, point in points.items())
    return f"Selective risk against coverage. At the threshold, {said}."

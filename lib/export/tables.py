"""HTML tables as pandas and its Styler write them: their grid, their header, their columns of
numbers; and the same tables rewritten for Typst.
"""

import re

from bs4 import BeautifulSoup, NavigableString

INTERVAL = re.compile(r"\([^()]*\)")
LONG_TEXT = 26  # characters; a column with longer text is wrapped
NUMBER = re.compile(
    r"[-−+±<≥≤]?\s*\d[\d,. ]*(e[-+]?\d+)?(\s*(%|s|MB))?(\s*(±.*|\(.*\)|\[.*\]))?"
    r"|[-−+]?\.\d+|nan|–|—|",
    re.I,
)


def cells_of(row) -> list:
    return row.find_all(["td", "th"], recursive=False)


def span(cell, name: str = "colspan") -> int:
    value = str(cell.get(name, 1))
    return max(int(value), 1) if value.isdigit() else 1


def text_of(cell) -> str:
    return cell.get_text(" ", strip=True)


def header_rows(table) -> list:
    """Rows of the header; pandas' separate row of index names is folded into the row above."""
    rows = table.thead.find_all("tr") if table.thead else []
    if len(rows) >= 2:
        above, last = cells_of(rows[-2]), cells_of(rows[-1])
        if len(above) == len(last) and not any(
            text_of(x) and text_of(y) for x, y in zip(above, last)
        ):
            for cell, name in zip(above, last):
                if text_of(name):
                    cell.string = text_of(name)
            rows.pop().decompose()
    return rows


def grid(table) -> tuple[int, list[list[tuple[int, object]]]]:
    """Number of columns, and for each row its (first column, cell), spans over rows counted in."""
    taken, rows, width = set(), [], 0
    for number, row in enumerate(table.find_all("tr")):
        placed, column = [], 0
        for cell in cells_of(row):
            while (number, column) in taken:
                column += 1
            placed.append((column, cell))
            taken.update(
                (number + down, column + right)
                for down in range(span(cell, "rowspan"))
                for right in range(span(cell))
            )
            column += span(cell)
        rows.append(placed)
        width = max(width, column)
    return width, rows


def columns_of(rows, width: int) -> list[list]:
    """The cells of each column that lie in it alone."""
    return [
        [cell for row in rows for start, cell in row if start == column and span(cell) == 1]
        for column in range(width)
    ]


def is_numeric(cells: list) -> bool:
    return (
        bool(cells)
        and all(
            cell.name == "td" and not cell.find("img") and NUMBER.fullmatch(text_of(cell))
            for cell in cells
        )
        and any(re.search(r"\d", text_of(cell)) for cell in cells)
    )


def kinds_of(columns: list[list]) -> list[str]:
    """For each column "number" (kept right), "short" (kept on one line) or "long" (wrapped)."""
    longest = [max((len(text_of(cell)) for cell in cells), default=0) for cells in columns]
    return [
        "number" if is_numeric(cells) else "long" if length > LONG_TEXT else "short"
        for cells, length in zip(columns, longest)
    ]


def keep_intervals(cell) -> None:
    """An interval may go to the next line, whole."""
    for text in cell.find_all(string=INTERVAL):
        text.replace_with(
            INTERVAL.sub(lambda found: found.group().replace(" ", "\N{NO-BREAK SPACE}"), text)
        )


def tidy_table(table) -> None:
    """Header cells say what they head, none is empty, and every cell carries its column's kind as a
    class."""
    for tag in [table, *table.find_all("tr")]:
        for attribute in ("border", "style"):
            tag.attrs.pop(attribute, None)
    head = len(header_rows(table))
    width, rows = grid(table)
    kinds = kinds_of(columns_of(rows[head:], width))
    for number, row in enumerate(rows):
        for column, cell in row:
            if span(cell) == 1 and kinds[column] != "short" or number >= head:
                cell["class"] = [*cell.get("class", []), kinds[column]]
            if kinds[column] == "number" and number >= head:
                keep_intervals(cell)
            if cell.name == "th" and not text_of(cell):
                cell.name = "td"
            if cell.name == "th":
                across = "col" if number < head else "row"
                wide = span(cell, "colspan" if across == "col" else "rowspan") > 1
                cell["scope"] = across + "group" * wide
    for image in table.find_all("img"):
        image.attrs.setdefault("alt", "")


# HTML tables rewritten as Typst tables.


# width of the PDF's text in ems of table text; only a first guess, the template measures
TEXT_WIDTH_EM = 54
CHARACTER_EM, PADDING_EM = 0.46, 1.2
LEAST_EM = 8  # of a column of long text
LINES_KEPT_TOGETHER = 12  # a row with fewer lines is not broken over pages
# a table with more lines floats, so that it leaves no hole; one with more than the second breaks
# over pages, so that a float never outgrows one
LINES_OF_FLOAT = (11, 24)
COLOUR = re.compile(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})", re.I)


def css_of(style: str) -> dict[str, str]:
    pairs = (declaration.partition(":") for declaration in style.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if value}


def literal(text: str) -> str:
    """A Typst string: data inside it cannot be read as markup."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def typst_colour(css: dict[str, str], name: str) -> str | None:
    """`rgb("#ff0000")` for a colour of Styler, which writes hexadecimal or a name."""
    from matplotlib.colors import CSS4_COLORS

    value = CSS4_COLORS.get(css.get(name, "").lower(), css.get(name, ""))
    return f'rgb("{value}")' if COLOUR.fullmatch(value) else None


def typst_content(node, save_image) -> list[str]:
    """Typst expressions for what is inside a cell: text, small pictures, line breaks."""
    parts = []
    for child in node.children:
        if type(child) is NavigableString:
            text = re.sub(r"[^\S\N{NO-BREAK SPACE}]+", " ", child)
            # a sign stays with its number, and a unit with its name
            text = re.sub(r"(?<=[≥≤]) |(?<=,) (?=\w{1,2}$)", "\N{NO-BREAK SPACE}", text)
            # a place to break after every 20 characters of what has none, such as a checksum
            parts.append(
                literal(re.sub(r"(\S{20})(?=\S{20})", "\\1\u200b", text)) if text.strip() else '" "'
            )
        elif child.name == "img" and str(child.get("src", "")).startswith("data:image/"):
            width = str(child.get("width", "32"))
            pixels = int(width) if width.isdigit() else 32
            parts.append(
                f"cell-image({literal(save_image(child['src']))}, "
                f"{literal(child.get('alt') or 'Picture')}, {pixels})"
            )
        elif child.name == "br":
            parts.append("linebreak()")
        elif child.name:
            parts += typst_content(child, save_image)
    return parts


def typst_cell(cell, in_head: bool, numeric: bool, rules: dict, save_image) -> str:
    css = {**css_of(cell.get("style", "")), **rules.get(cell.get("id", ""), {})}
    arguments = [
        f"{name}: {span(cell, name)}" for name in ("colspan", "rowspan") if span(cell, name) > 1
    ]
    if span(cell) > 1:
        arguments.append("align: center")
    elif numeric:
        arguments.append("align: right")
    if fill := typst_colour(css, "background-color"):
        arguments.append(f"fill: {fill}")
    content = " + ".join(typst_content(cell, save_image)).strip() or '""'
    colour = typst_colour(css, "color")
    style = [f"fill: {colour}"] * bool(colour)
    if in_head or css.get("font-weight") in ("bold", "600", "700"):
        style.append('weight: "semibold"')
    content = f"text({', '.join([*style, f'[#({content})]'])})" if style else f"[#({content})]"
    return f"table.cell({', '.join([*arguments, content])})" if arguments else content


def column_widths(head: list[list], body: list[list]) -> list[float | None]:
    """Widths in ems; None, as wide as its longest cell, for all columns where the table fits the
    measure that way.

    Else columns of short text keep their cells on one line and their headings on two, and those of
    long text share what is left."""
    longest, headings = (
        [max(map(len, map(text_of, cells)), default=0) for cells in part] for part in (body, head)
    )
    words = [
        max((len(word) for cell in cells for word in text_of(cell).split()), default=0)
        for cells in head
    ]
    is_long, natural = (
        [length > LONG_TEXT for length in longest],
        list(map(_ems, map(max, longest, headings))),
    )
    if not any(is_long) and sum(natural) <= TEXT_WIDTH_EM:
        return [None] * len(body)
    short = [
        _ems(max(length, word, -(-heading // 2) + 2 if heading > word else 0))
        for length, word, heading in zip(longest, words, headings)
    ]
    rest = TEXT_WIDTH_EM - sum(width for width, long in zip(short, is_long) if not long)
    weights = [
        (sum(map(len, map(text_of, cells))) / max(len(cells), 1) + length / 4) * long
        for cells, length, long in zip(body, longest, is_long)
    ]
    return [
        min(full, max(rest * weight / sum(weights), LEAST_EM))
        if long
        else None
        if width >= full
        else width
        for full, width, weight, long in zip(natural, short, weights, is_long)
    ]


def typst_columns(widths: list[float | None], columns: list[list]) -> str:
    """The widths as Typst code, again with columns of long text that are not as wide as their
    longest cell sharing all that the others leave, and again with every interval below its
    number."""
    longest = [max((len(text_of(cell)) for cell in cells), default=0) for cells in columns]
    plain = ["auto, " if width is None else f"{width:.1f}em, " for width in widths]
    shared = [
        code.replace("em", "fr") if width and LONG_TEXT < length and width < _ems(length) else code
        for code, width, length in zip(plain, widths, longest)
    ]
    narrow = [
        f"{_ems(below):.1f}em, " if below else code
        for code, below in zip(plain, map(_longest_interval, columns))
    ]
    return ", ".join(f"({''.join(code)})" for code in (plain, shared, narrow))


def _longest_interval(cells: list) -> int:
    """Characters of a column's longest interval; 0 where no number has one."""
    found = [text for cell in cells for text in INTERVAL.findall(text_of(cell))]
    return max(map(len, found), default=0) if is_numeric(cells) else 0


def _ems(characters: int) -> float:
    return characters * CHARACTER_EM + PADDING_EM


def lines_of(row: list, widths: list[float | None]) -> int:
    """On how many lines a row of the grid is set, as far as the widths tell."""
    return max(
        (
            -(-_ems(len(text_of(cell))) // widths[column])
            for column, cell in row
            if widths[column] and span(cell) == 1
        ),
        default=1,
    )


def typst_table(html: str, save_image) -> tuple[str, int]:
    """The first table of `html`, Styler's colours included, as Typst code, and the number of lines
    that it takes.

    save_image: gives the file name under which a data URI can be read.
    """
    soup = BeautifulSoup(html, "html.parser")
    rules = {}
    for selectors, body in re.findall(
        r"([^{}]+)\{([^{}]*)\}", "\n".join(tag.get_text() for tag in soup("style"))
    ):
        for name in re.findall(r"#([\w-]+)\s*(?:,|$)", selectors.strip()):
            rules.setdefault(name, {}).update(css_of(body))
    head = len(header_rows(soup.table))
    width, rows = grid(soup.table)
    columns = columns_of(rows[head:], width)
    numeric = [kind == "number" for kind in kinds_of(columns)]
    for cells, number in zip(columns, numeric):
        for cell in cells if number else []:
            keep_intervals(cell)
    lines = [
        ", ".join(
            typst_cell(cell, number < head, numeric[start], rules, save_image)
            for start, cell in row
        )
        for number, row in enumerate(rows)
    ]
    widths = column_widths(columns_of(rows[:head], width), columns)
    header = f"table.header({', '.join(lines[:head])})"
    heights = [int(lines_of(row, widths)) for row in rows]
    tall = (
        max(heights, default=0) > LINES_KEPT_TOGETHER or soup.table.find(rowspan=True) is not None
    )
    parts = [
        typst_columns(widths, columns),
        str(tall).lower(),
        header,
        *filter(None, lines[head:]),
    ]
    return f"fit-table({', '.join(parts)})", sum(heights)

"""HTML tables as pandas and its Styler write them: their grid, their header, their columns of numbers."""

import re

INTERVAL = re.compile(r"\([^()]*\)")
LONG_TEXT = 26  # characters; a column with longer text is wrapped
NUMBER = re.compile(
    r"[-−+±<≥≤]?\s*\d[\d,. ]*(e[-+]?\d+)?(\s*(%|s|MB))?(\s*(±.*|\(.*\)|\[.*\]))?|[-−+]?\.\d+|nan|–|—|",
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


def tidy_table(table) -> None:
    """Header cells say what they head, none is empty, and every cell carries its column's kind as a class."""
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
            if (
                kinds[column] == "number" and number >= head
            ):  # an interval may go to the next line, whole
                for text in cell.find_all(string=True):
                    text.replace_with(
                        INTERVAL.sub(
                            lambda found: found.group().replace(" ", "\N{NO-BREAK SPACE}"), text
                        )
                    )
            if cell.name == "th" and not text_of(cell):
                cell.name = "td"
            if cell.name == "th":
                across = "col" if number < head else "row"
                wide = span(cell, "colspan" if across == "col" else "rowspan") > 1
                cell["scope"] = across + "group" * wide
    for image in table.find_all("img"):
        image.attrs.setdefault("alt", "")

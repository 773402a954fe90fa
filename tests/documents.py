"""What a made HTML or PDF file holds."""

import re

from pypdf import PdfReader


def pdf_text(reader: PdfReader) -> str:
    return " ".join(" ".join(page.extract_text() for page in reader.pages).split())


def structure(reader: PdfReader) -> list[tuple[str, str]]:
    """(tag, alternative text) of all elements of the PDF's structure tree."""
    found, todo = [], [reader.trailer["/Root"]["/StructTreeRoot"]]
    while todo:
        node = todo.pop().get_object()
        if isinstance(node, list):
            todo += reversed(node)
        elif isinstance(node, dict):
            found.append((str(node.get("/S")), str(node.get("/Alt", ""))))
            if "/K" in node:
                todo.append(node["/K"])
    return found


def assert_nothing_runs_or_loads(page):
    assert not page(
        ["script", "iframe", "object", "embed", "link", "form", "base", "svg", "template"]
    )
    for tag in page(True):
        assert not [name for name in tag.attrs if name.lower().startswith("on")], tag
        assert tag.get("src", "data:image/").startswith("data:image/"), tag
        assert (
            not str(tag.get("href", ""))
            .lower()
            .strip()
            .startswith(("javascript", "data", "vbscript"))
        ), tag
        assert "url(" not in tag.get("style", "")
    assert not re.search(
        r"url\(|@import|expression\(", "".join(style.get_text() for style in page("style"))
    )
    policy = page.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

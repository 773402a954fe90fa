"""The report as one HTML file: no script, nothing loaded from anywhere, formulas as MathML."""

import re
from html import escape
from importlib.metadata import files

import nh3
from bs4 import BeautifulSoup
from nbconvert.exporters.html import HTMLExporter
from pygments.formatters import HtmlFormatter
from traitlets import default
from traitlets.config import Config

from lib.export.markdown import ALLOWED_TAGS, TEMPLATES
from lib.export.notebook import HIDDEN, PrepareReport
from lib.export.pictures import png_uri, svg_uri
from lib.export.tables import tidy_table

MATH_TAGS = frozenset(
    """math semantics annotation mrow mi mn mo ms mtext mspace mfrac msqrt mroot mstyle merror
    mpadded mphantom menclose msub msup msubsup munder mover munderover mmultiscripts mprescripts
    mtable mtr mtd""".split()
)
MATH_ATTRIBUTES = frozenset(
    """accent accentunder columnalign columnspacing display displaystyle encoding fence form
    height depth linebreak linethickness lspace mathcolor mathvariant maxsize minsize movablelimits
    notation rowspacing rspace scriptlevel separator stretchy symmetric tabindex
    width xmlns""".split()
)
ATTRIBUTES = {
    "a": {"href", "title", "role"},
    "img": {"alt", "height", "width", "title"},
    "details": {"open"},
    "div": {"tabindex"},
    "ol": {"start", "type"},
    "col": {"span"},
    "section": {"role"},
    "td": {"colspan", "rowspan", "headers"},
    "th": {"colspan", "rowspan", "scope", "headers"},
}
EVERYWHERE = {"class", "dir", "id", "lang", "style"}
IMAGE = re.compile(r"[\w-]+-image-[\w.-]+")
DATA_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml)[;,]")
# what a cell's look may need; nothing among them loads a picture or moves a thing over another
CSS_PROPERTIES = set(
    """background-color border-bottom-color border-collapse border-color border-left-color
    border-right-color border-top-color clear color direction display float font font-family
    font-size font-style font-variant font-weight height image-rendering letter-spacing line-height
    overflow text-align text-decoration text-indent unicode-bidi vertical-align white-space
    width""".split()
)


def safe_value(tag: str, name: str, value: str) -> str | None:
    """An attribute's value, or None: no picture from elsewhere, no other document in a link."""
    if tag == "img" and name == "src":
        return value if DATA_PICTURE.match(value) else None
    return None if name == "href" and value.strip().lower().startswith("data:") else value


CLEANER = nh3.Cleaner(
    tags=set(ALLOWED_TAGS | MATH_TAGS),
    attributes={tag: set(MATH_ATTRIBUTES) for tag in MATH_TAGS}
    | ATTRIBUTES
    | {"img": ATTRIBUTES["img"] | {"src"}, "*": EVERYWHERE},
    attribute_filter=safe_value,
    url_schemes={"http", "https", "mailto", "data"},
    filter_style_properties=CSS_PROPERTIES,
    link_rel=None,
)


def safe_html(text: str) -> str:
    """Converted Markdown without anything that runs or loads."""
    return CLEANER.clean(text)


def safe_declarations(body: str) -> str:
    """The declarations of a rule that may stay, read as those of an element."""
    cleaned = CLEANER.clean(f'<p style="{escape(body)}"></p>')
    return BeautifulSoup(cleaned, "html.parser").p.get("style", "")


def safe_css(text: str) -> str:
    """A Styler's rules: declarations only, and dark text on a cell's colour, which is chosen for a
    white page."""
    rules = []
    for selector, body in re.findall(r"([^{}@<]+)\{([^{}]*)\}", text):
        body = safe_declarations(body)
        if "background-color:" in body and not re.search(r"(?<!-)color:", body):
            body += ";color:#111"
        rules.append(f"{selector.strip()} {{{body}}}")
    return "\n".join(rules)


def anchor_images(table, label: str) -> None:
    """An anchor in each row of a table of images: `label`-image-<id>."""
    first = table.find("th")
    if not label or first is None or first.get_text(strip=True) != "id":
        return
    names = set()
    for row in table.select("tbody tr"):
        cell = row.find("td")
        name = f"{label}-image-{cell.get_text(strip=True)}" if cell else ""
        if IMAGE.fullmatch(name) and name not in names:
            cell["id"] = name
            names.add(name)


def report_table(text: str, label: str = "") -> str:
    """The tables of an output, safe and tidied, after the rules of their Styler; `label` is the
    output's."""
    soup = BeautifulSoup(text, "html.parser")
    styles = [safe_css(style.extract().get_text()) for style in soup("style")]
    soup = BeautifulSoup(CLEANER.clean(str(soup)), "html.parser")
    for table in soup("table"):
        tidy_table(table)
        anchor_images(table, label)
    return "".join(f"<style>{style}</style>" for style in styles if style) + str(soup)


def of_nbconvert() -> list[str]:
    """The data folder that nbconvert was installed with, for its templates: it looks for them in
    those of the user and of this Python, and another Python may have brought it."""
    own = (path for path in files("nbconvert") or () if path.match("nbconvert/templates/base/*"))
    return [str(path.locate().resolve().parents[3]) for path in own][:1]


def only_text(text: str) -> str:
    return BeautifulSoup(text, "html.parser").get_text()


class ReportHTML(HTMLExporter):
    """Notebook to a single HTML file that opens without a network."""

    @default("template_name")
    def _template_name_default(self):
        return "report"

    @default("extra_template_basedirs")
    def _extra_template_basedirs_default(self):
        return [str(TEMPLATES)]

    def get_prefix_root_dirs(self):
        # guard: templates-of-nbconvert
        return [*super().get_prefix_root_dirs(), *of_nbconvert()]

    @property
    def default_config(self):
        config = super().default_config.copy()
        config.merge(
            Config(
                {"TagRemovePreprocessor": HIDDEN, "CoalesceStreamsPreprocessor": {"enabled": True}}
            )
        )
        return config

    def _init_preprocessors(self):
        super()._init_preprocessors()
        self.register_preprocessor(PrepareReport(target="html", parent=self), enabled=True)

    def default_filters(self):
        yield from super().default_filters()
        yield from {
            "svg_uri": svg_uri,
            "png_uri": png_uri,
            "safe_html": safe_html,
            "report_table": report_table,
            "only_text": only_text,
        }.items()

    def from_notebook_node(self, nb, resources=None, **kwargs):
        # parameters stand in the report's own tables, and may name folders of the machine
        hidden = [
            cell.source
            for cell in nb.cells
            if cell.cell_type == "code"
            and cell.source.strip()
            and "remove-input" in cell.metadata.get("tags", [])
            and not HIDDEN["remove_cell_tags"] & set(cell.metadata.tags)
        ]
        colours = (
            HtmlFormatter(style=style).get_style_defs(".highlight")
            for style in ("xcode", "lightbulb")
        )
        css = (TEMPLATES / "report" / "static" / "report.css").read_text(encoding="utf-8")
        css += "{}\n@media screen and (prefers-color-scheme: dark) {{{}}}".format(*colours)
        return super().from_notebook_node(
            nb, {**(resources or {}), "report_css": css, "hidden_code": hidden}, **kwargs
        )

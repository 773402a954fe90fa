"""The README's pictures from a finished study: `python -m lib.readme_figures STUDY_FOLDER DOCS`."""
import io
import sys
from pathlib import Path

from PIL import Image

from lib import runs

PICTURES = ("before-after",)
WIDEST = 1296  # pixels


def small_png(content: bytes) -> bytes:
    """A PNG without transparency; larger ones are halved, which keeps a 32x32 picture's pixels whole. The same bytes for the same picture."""
    with Image.open(io.BytesIO(content)) as picture:
        picture = picture.convert("RGB")
    while picture.width > WIDEST:
        picture = picture.reduce(2)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main(arguments: list[str]) -> int:
    study, docs = map(Path, arguments)
    try:
        made = {name: small_png(runs.read_bytes(study / "figures" / f"{name}.png")) for name in PICTURES}
        for name, content in made.items():
            runs.write_bytes(docs / f"{name}.png", content)
            print(f"{docs / name}.png: {len(content) / 1e3:.0f} kB")
    except runs.ArtefactError as error:
        print(f"{error}; `make report` of this study makes it", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

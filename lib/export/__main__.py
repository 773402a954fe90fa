"""Render an executed notebook as one HTML file and one PDF: `python -m lib.export NOTEBOOK --html
PATH --pdf PATH`.
"""

import argparse
import sys
import time
from pathlib import Path

from lib.base import environment

# before what takes settings from the surroundings is imported
if __name__ == "__main__":
    environment.enter(sys.orig_argv[1:])

from lib.base import errors  # noqa: E402
from lib.base.artefacts import atomic_write  # noqa: E402
from lib.export.html import ReportHTML  # noqa: E402
from lib.export.pdf import ReportPDF  # noqa: E402


def main(arguments=None) -> int:
    """Write the files asked for; none is replaced unless all of them could be made."""
    parser = argparse.ArgumentParser(
        prog="python -m lib.export", description="Render an executed notebook."
    )
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--html", type=Path, metavar="PATH")
    parser.add_argument("--pdf", type=Path, metavar="PATH")
    options = parser.parse_args(arguments)
    wanted = [
        (path, exporter)
        for path, exporter in ((options.html, ReportHTML), (options.pdf, ReportPDF))
        if path
    ]
    if not wanted:
        parser.error("nothing to write: give --html, --pdf or both")
    try:
        made = []
        for path, exporter in wanted:
            start = time.perf_counter()
            content, _ = exporter().from_filename(str(options.notebook))
            content = content.encode() if isinstance(content, str) else content
            made.append((path, content, time.perf_counter() - start))
        for path, content, seconds in made:
            with atomic_write(path) as file:
                file.write(content)
            print(f"{path}: {len(content) / 1e6:.2f} MB in {seconds:.1f} s")
    except Exception as error:
        # a file that is no notebook: nbformat's errors are of ValueError
        if not errors.caused_outside(error) and not isinstance(error, ValueError):
            return errors.tell(error)
        errors.trace(error)
        said = " ".join(errors.line(error).split())
        print(f"export of {options.notebook} failed: {said}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

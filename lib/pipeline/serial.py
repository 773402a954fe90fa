"""A whole study without make: its notebooks one after the other, then the report. Finished runs are
left as they are; make leaves out all that is done, and runs side by side what can be.
"""

import argparse
from pathlib import Path

from lib.base import artefacts
from lib.export import __main__ as export
from lib.pipeline import arms, at_hand, execute, index, parameters, preflight


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib report", description=__doc__)
    parameters.add_options(parser)
    parser.add_argument("--train", action="store_true", help="training may take long: it is asked")
    options = parser.parse_args(arguments)
    study = parameters.chosen(options)
    execute.quiet()
    tasks = preflight.prepare(study, options.outputs)
    at_hand.prepare(study, options.outputs, options.train)
    arms.take_in(study, options.outputs)
    for task in at_hand.to_do(tasks, study, options.outputs):
        if status := execute.run(study, task, options.outputs):
            return status
    folder = Path(options.outputs) / study.name
    notebook, html, pdf = (
        str(artefacts.ROOT / folder / name)
        for name in ("05_report.ipynb", "report.html", "report.pdf")
    )
    status = export.main([notebook, "--html", html, "--pdf", pdf])
    status = status or index.main([options.outputs])
    if not status:
        print(folder / "report.html", folder / "report.pdf", sep="\n")
    return status

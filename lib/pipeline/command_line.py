"""The one command line: `python -m lib VERB`. Each verb has its own `--help`."""

import importlib
import os

from lib.base import errors
from lib.base.log import to_stdout

VERBS = {
    "new": ("lib.pipeline.new", "write params/NAME.yaml, a commented start of a study"),
    "check": ("lib.pipeline.preflight", "find every mistake in a study before anything runs"),
    "run": ("lib.pipeline.execute", "execute one notebook of a study"),
    "train": ("lib.pipeline.train_many", "train a study's runs without notebooks"),
    "report": (
        "lib.pipeline.serial",
        "everything, one after the other: what make does side by side",
    ),
    "conditions": (
        "lib.report.conditions",
        "hold a finished report against the study's conditions",
    ),
    "release": ("lib.training.released:release_main", "copy finished runs into released/, halved"),
    "verify": (
        "lib.training.released:verify_main",
        "recompute the predictions of a study's released networks",
    ),
    "data": ("lib.data.label_reviews", "fetch or check CIFAR-100, say which reviews are there"),
    "index": ("lib.pipeline.index", "write the page of all reports"),
}


def main(arguments: list[str]) -> int:
    """Exit status: the verb's own; 2 for a mistake, which is told in one line each."""
    if not arguments or arguments[0] not in VERBS:
        print("python -m lib VERB ...\n")
        print("\n".join(f"  {verb:<12}{what}" for verb, (_, what) in VERBS.items()))
        print("\npython -m lib VERB --help says more; --debug shows the traceback of any error.")
        return 0 if arguments[:1] in ([], ["-h"], ["--help"]) else 2
    to_stdout()
    if "--debug" in arguments:
        os.environ[errors.DEBUG] = "1"
    try:
        module, _, function = VERBS[arguments[0]][0].partition(":")
        verb = getattr(importlib.import_module(module), function or "main")
        return verb([word for word in arguments[1:] if word != "--debug"])
    except Exception as error:
        return errors.tell(error)

"""python -m lib VERB: see lib.pipeline.command_line."""

import signal
import sys

# guard: not-windows
if sys.platform == "win32":
    sys.exit(
        "Windows has neither the locks nor the signals that runs need: use WSL, docs/install.md"
    )

# while the modules below are read there is nothing to save and nothing to say
# guard: quiet-start
signal.signal(signal.SIGINT, signal.SIG_DFL)

from lib.base import environment, log  # noqa: E402

if __name__ == "__main__":
    environment.enter(sys.orig_argv[1:])
    # a reader that has seen enough, `head` say, is no error
    log.heedless()

from lib.pipeline.command_line import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

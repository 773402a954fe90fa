"""What a training shows while it runs: a line and a table after each epoch, curves that redraw, TensorBoard on request."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display

from lib import plots
from lib.base import artefacts
from lib.training import record
from lib.training.loop import State, line, peak_memory


def follow(state: State, headless: bool, tensorboard: bool = False) -> Callable[[dict], None]:
    """A function to be given each epoch's row, after it has joined the history.

    The history so far is `history.part.csv`, as an earlier run that is finished may still own `history.csv`. headless draws nothing.
    tensorboard writes event files to the run's folder; raises ModuleNotFoundError without that package.
    """
    figure = None if headless else display(display_id=True)
    writer = _writer(state.folder) if tensorboard else None

    def show(row: dict) -> None:
        history = pd.DataFrame(state.history)
        artefacts.write_table(state.folder / record.HISTORY_SO_FAR, history)
        print(line(row, state.params.epochs, peak_memory(state.device)), flush=True)
        if figure:
            drawn = plots.training_curves(history, state.params.milestones)[0].figure
            figure.update(drawn)
            plt.close(drawn)
        if writer:
            for name, value in row.items():
                writer.add_scalar(name, value, row["epoch"])
            writer.flush()

    return show


def _writer(folder):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ModuleNotFoundError(
            "TENSORBOARD was asked for and its package is not installed: pip install tensorboard"
        ) from None
    return SummaryWriter(folder / "tensorboard")

"""What a training shows while it runs: a line and a table after each epoch, curves that redraw, TensorBoard on request."""
import resource
import sys
from collections.abc import Callable

import matplotlib.pyplot as plt
import pandas as pd
import torch
from IPython.display import display

from lib import plots, record, runs
from lib.train import State


def follow(state: State, headless: bool, tensorboard: bool = False) -> Callable[[dict], None]:
    """A function to be given each epoch's row, after it has joined the history.

    The history so far is `history.part.csv`, as an earlier run that is finished may still own `history.csv`. headless draws nothing.
    tensorboard writes event files to the run's folder; raises ModuleNotFoundError without that package.
    """
    figure = None if headless else display(display_id=True)
    writer = _writer(state.folder) if tensorboard else None

    def show(row: dict) -> None:
        history = pd.DataFrame(state.history)
        runs.write_table(state.folder / record.HISTORY_SO_FAR, history)
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
        raise ModuleNotFoundError("TENSORBOARD was asked for and its package is not installed: pip install tensorboard") from None
    return SummaryWriter(folder / "tensorboard")


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that this process has held, on a GPU if it trains there, else in main memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def line(row: dict, epochs: int, memory: int) -> str:
    """One line for a log: where the run stands."""
    left = (epochs - row["epoch"]) * row["seconds"]
    return (f"epoch {row['epoch']}/{epochs}  stream loss {row['stream_loss']:.3f}  train {row['train_accuracy']:.1%}  "
            f"val {row['val_accuracy']:.1%}  lr {row['learning_rate']:g}  {row['images_per_second']:.0f} images/s  "
            f"{memory / 1e9:.1f} GB  {row['seconds']:.0f} s, about {left / 60:.0f} min left")

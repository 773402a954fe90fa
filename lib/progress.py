"""Where a training stands, in one line, and how much memory it took."""

import resource
import sys

import torch


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that this process has held, on a GPU if it trains there, else in main memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def line(row: dict, epochs: int, memory: int) -> str:
    """One line for a log: where the run stands."""
    left = (epochs - row["epoch"]) * row["seconds"]
    return (
        f"epoch {row['epoch']}/{epochs}  stream loss {row['stream_loss']:.3f}  train {row['train_accuracy']:.1%}  "
        f"val {row['val_accuracy']:.1%}  lr {row['learning_rate']:g}  {row['images_per_second']:.0f} images/s  "
        f"{memory / 1e9:.1f} GB  {row['seconds']:.0f} s, about {left / 60:.0f} min left"
    )

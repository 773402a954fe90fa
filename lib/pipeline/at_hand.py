"""Which runs of a study are at hand before anything begins. Released ones are taken over, all in
one process; of those that would have to be trained here it is said how long that takes, and nothing
long begins unasked."""

import functools
import json
import os
import time
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F

from lib.base import artefacts
from lib.base.artefacts import ArtefactError, locked
from lib.base.config import Train
from lib.base.errors import Error
from lib.base.study_file import Study
from lib.base.text import listed, plural
from lib.data import dataset
from lib.model import layout
from lib.pipeline import parameters
from lib.training import checkpoint, machine, network, record, released

OF_A_STEP = ("network", "width", "image_size", "batch_size", "threads", "device", "precision")
OF_DATA = ("data", "root", "image_size", "data_seed", "train_size", "val_size", "test_size")
CLASSES = 10  # of a step that is measured; how many there are hardly counts
LONG = 600  # seconds of training that do not begin unasked
MEASURED = 16  # images of a measured step, at most


def prepare(study: Study, outputs: str, asked: bool) -> None:
    """Take released runs over into their folders, and stop where the runs that are left would take
    longer than LONG; asked: whether training was, however long it takes. Raises Error that names
    the runs, the time and the command."""
    if released.asked_to_retrain():
        return
    trained = [task for task in parameters.tasks(study, outputs) if task.stage == "train"]
    runs = {
        artefacts.ROOT / f"{task.place}.ipynb": parameters.resolve(study, task, outputs)
        for task in trained
    }
    for notebook, p in runs.items():
        if not _finished(p) and (released.place(p) / "run.json").is_file():
            take_over(p, notebook)
    left = [p for p in runs.values() if not _finished(p)]
    for p in runs.values():
        if p not in left:
            record.follow(record.folder(p), p.root)
    seconds = 0.0 if asked else seconds_left(left)
    # guard: nothing-long-unasked
    if seconds > LONG:
        names = listed([f"{p.arm}/{p.seed}" for p in left])
        raise Error(
            f"{study.name}: {plural(len(left), 'run')} would have to be trained here: {names}, "
            f"about {_duration(seconds)} on this machine. `make train STUDY={study.name}` trains "
            "what is left; the report then begins"
        )


def to_do(tasks: list[parameters.Task], study: Study, outputs: str) -> list[parameters.Task]:
    """The notebooks without those of finished runs, unless all are to be trained anew."""

    def done(task: parameters.Task) -> bool:
        notebook = artefacts.ROOT / f"{task.place}.ipynb"
        return notebook.is_file() and _finished(parameters.resolve(study, task, outputs))

    anew = released.asked_to_retrain()
    return [task for task in tasks if anew or task.stage != "train" or not done(task)]


def _finished(p: Train) -> bool:
    """Whether the run's folder holds it, by its record: what stage 01 would find."""
    folder = record.folder(p)
    try:
        info = record.read_record(folder / "run.json")
        if released.differences(info, p, info["data_digest"]):
            return False
        elsewhere = (folder / record.TAKEN_OVER).is_file() or record.GONE <= set(info["params"])
        return elsewhere or info["key"] == record.key(p, info["data_digest"])
    except (ArtefactError, KeyError):
        return False


def take_over(p: Train, notebook: Path) -> None:
    """The released run in the run's folder, and in the place of the executed notebook one that says
    where it comes from; nothing where it is of another training."""
    with locked(notebook.parent / ".train.lock"):
        run = released.adopt(p, _data(p).digest)
        if run:
            artefacts.write_bytes(notebook, _told(run, p))


def _told(run, p: Train) -> bytes:
    source = released.place(p).relative_to(artefacts.ROOT)
    text = (
        f"# {p.arm}, seed {p.seed}\n\nTaken over from `{source}`: trained on "
        f"{run.info['fingerprint'].get('device_name', 'another machine')}, test accuracy "
        f"{run.info['test_accuracy']:.1%}. Nothing was trained here; `RETRAIN=1` trains."
    )
    cell = {"cell_type": "markdown", "id": "taken-over", "metadata": {}, "source": text}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1).encode()


# How long a training takes here.


def seconds_left(runs: list[Train]) -> float:
    """Seconds of training until all are finished, with every core at work: by the epochs that a run
    has behind it, else by steps that are taken here, once for each network."""
    each, total = {}, 0.0
    for p in runs:
        on_cpu = machine.choose_device(p.device).type == "cpu"
        behind = _epochs_behind(p)
        of_network = tuple(getattr(p, name) for name in OF_A_STEP)
        if not len(behind) and of_network not in each:
            each[of_network] = _seconds_an_image(p)
        if len(behind):
            an_epoch = behind.median() * (p.threads if on_cpu else 1)
        else:
            an_epoch = _train_images(p) * each[of_network]
        cores = (os.cpu_count() or 1) if on_cpu else 1
        total += (p.epochs - len(behind)) * float(an_epoch) / cores
    return total


def _train_images(p: Train) -> int:
    # the phantom takes longer to draw than to ask
    return p.train_size or dataset.SIZES.get(p.data, {}).get("train") or len(_data(p).train)


def _epochs_behind(p: Train) -> pd.Series:
    """The seconds of each epoch of a run that was begun; none of a training of other parameters,
    which does not go on."""
    folder = record.folder(p)
    try:
        seconds = pd.read_csv(folder / record.HISTORY_SO_FAR)["seconds"]
    except (OSError, ValueError, KeyError):
        return pd.Series(dtype=float)
    goes_on = checkpoint.read(folder, record.key(p, _data(p).digest))
    return seconds if goes_on else seconds[:0]


def _seconds_an_image(p: Train) -> float:
    """Of a training step on images of noise, by one thread of a CPU, after one step that does not
    count."""
    device, classes = machine.choose_device(p.device), CLASSES
    model = network.to_train(p, classes).to(device)
    optimizer = torch.optim.SGD(model.parameters(), p.learning_rate)
    count = min(p.batch_size, MEASURED)
    images = torch.randn(count, 3, p.image_size, p.image_size, device=device)
    images = images.contiguous(memory_format=layout(model))
    labels = torch.arange(count, device=device) % classes
    half = machine.choose_precision(p.precision, device) == "bf16"
    # of one thread's own time: whatever else the machine does now, it may not do all the while
    on_cpu, threads = device.type == "cpu", torch.get_num_threads()
    clock = time.process_time if on_cpu else time.monotonic
    torch.set_num_threads(1)
    seconds = []
    for _ in range(2):
        began = clock()
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            outputs = network.logits_in(model(images), classes).float()
        optimizer.zero_grad()
        loss = F.cross_entropy(outputs, labels)
        loss.backward()
        optimizer.step()
        loss.item()  # waits for the device
        seconds.append(clock() - began)
    torch.set_num_threads(threads)
    return seconds[-1] / count


@functools.lru_cache(maxsize=1)
def _loaded(*values):
    return dataset.load_for(dict(zip(OF_DATA, values)))


def _data(p: Train):
    return _loaded(*(getattr(p, name) for name in OF_DATA))


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds > 5400 else f"{seconds / 60:.0f} minutes"

"""One run on many devices: as many processes, started anew from the last checkpoint when one of them dies.

A notebook whose `devices` is more than one starts them by itself. From a shell, on one machine or on several with a shared folder:

    torchrun --standalone --nproc-per-node N -m lib.distributed [-f FILE]... [-p NAME VALUE]...

which leaves the finished run folder; `make report` then finds it. `devices` is the number of all processes.
"""
import argparse
import contextlib
import os
import sys
from datetime import timedelta

import pandas as pd
import torch
import torch.distributed as dist

from lib import augment, data, given, interrupt, machine, params, progress, record, runs, train
from lib.cifar100 import DataError
from lib.lock import locked
from lib.team import Team
from lib.yamls import ParameterError

PATIENCE = timedelta(minutes=30)  # of processes that wait for the first one's evaluation
REFUSALS = (train.TrainingError, ParameterError, DataError, runs.ArtefactError, ValueError)


def device_of(p: params.Train, here: int, place: int = 0) -> torch.device:
    """The device of process `place` of the `here` on this machine; raises ValueError where they are not there."""
    device = machine.choose_device(p.device)
    if device.type == "mps":
        raise ValueError(f"devices: {p.devices} were asked for, and mps is one; use devices: 1")
    if device.type == "cuda" and here > torch.cuda.device_count():
        raise ValueError(f"devices: {here} were asked for, GPUs to be seen here are {torch.cuda.device_count()}")
    return torch.device("cuda", place) if device.type == "cuda" else device


def join(device: torch.device, wish=bool, store: str = "") -> Team:
    """Meet the other processes, as the environment that the launcher set says; `store` is a file of theirs on one machine."""
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if device.type == "cuda":
        torch.cuda.set_device(device)
    met = {"store": dist.FileStore(f"{store}-{os.environ['TORCHELASTIC_RESTART_COUNT']}", size)} if store else {}
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", rank=rank, world_size=size, timeout=PATIENCE, **met)
    return Team(rank, size, wish)


def train_run(p: params.Train, show, wish=bool, store: str = "") -> None:
    """This process's part of a run. The first process evaluates, saves and publishes, and gives each epoch's row to `show(state, row)`."""
    device = device_of(p, int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["LOCAL_RANK"]))
    if p.devices != int(os.environ["WORLD_SIZE"]):
        raise ParameterError(f"devices: {p.devices}, and {os.environ['WORLD_SIZE']} processes were started")
    splits = data.load_for(p.model_dump())
    machine.set_deterministic(p.threads)
    precision = machine.choose_precision(p.precision, device)
    team = join(device, wish, store)
    fingerprint = machine.fingerprint(device, precision, p.devices, p.data)
    key, folder = record.key(p, splits.digest, fingerprint), record.folder(p)
    if team.agreed(team.same(key) != key):
        raise ParameterError("devices: the processes have other parameters, data, code or machines, and would not train one run")
    if team.same(team.rank == 0 and record.finished(folder, key) is not None):
        return
    state = train.start(p, splits, folder, device, precision, key, team)
    with interrupt.deferred() as asked_to_stop:
        while state.epoch < p.epochs:
            row = train.train_epoch(state)
            row |= train.evaluate(state) if team.rank == 0 else {}
            train.finish_epoch(state, row)
            if team.rank == 0:
                runs.write_table(folder / record.HISTORY_SO_FAR, pd.DataFrame(state.history))
                show(state, row)
            if team.agreed(asked_to_stop()):
                train.save(state)
                raise train.TrainingError(f"stopped on request after epoch {state.epoch}; saved: the same command goes on there")
    if team.rank == 0:
        record.publish(state, fingerprint, augment.proof(splits, p.seed, p.augment))
    team.agreed(False)  # nobody leaves before it is published
    dist.destroy_process_group()


def own(error: Exception) -> bool:
    """Whether an error may be this process's alone, the others waiting for it: memory that ran out."""
    return isinstance(error.__context__, torch.OutOfMemoryError)


def _print_line(state: train.State, row: dict) -> None:
    p, memory = state.params, progress.peak_memory(state.device)
    print(f"{p.study}/{p.arm}/{p.seed}  {progress.line(row, p.epochs, memory)}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-f", dest="files", action="append", default=[], metavar="FILE")
    parser.add_argument("-p", dest="values", action="append", nargs=2, default=[], metavar=("NAME", "VALUE"))
    options = parser.parse_args()
    first = os.environ.get("RANK", "0") == "0"
    try:
        found, origin = given.gather(options.files, options.values)
        p = params.check("train", {**given.defaults(runs.ROOT / "notebooks" / "01_train.ipynb"), **found}, origin)
        if "RANK" not in os.environ:
            raise ParameterError("lib.distributed is started by torchrun: torchrun --standalone --nproc-per-node N -m lib.distributed ...")
        interrupt.end_with(os.getppid())
        with locked(record.folder(p) / ".train.lock") if first else contextlib.nullcontext():
            train_run(p, _print_line)
    except REFUSALS as error:
        if first or own(error):
            print(error, file=sys.stderr)
        return 1 if isinstance(error, train.TrainingError) else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

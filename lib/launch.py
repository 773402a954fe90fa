"""From a notebook: one run on many devices of this machine, in processes that end, saved, with who asked for it.

A process of its own is the launcher, torch's: a signal, and a process that dies, are its business and not the notebook's. It listens on
loopback only.
"""
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

from lib import distributed, interrupt, params, predict, progress, runs, train

RESTARTS = 3  # of all processes, from the last checkpoint, when one of them died
SAVING_SECONDS = 30
LAUNCHER = "import sys; from lib import launch; sys.exit(launch.launcher(sys.argv[1]))"  # a module run by -m would be there twice


def work(p: params.Train, stop, alive, store: str) -> str:
    """A process that `launcher` started: what it refused or why it stopped, as all others did; any other end starts all anew."""
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()
    again = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    if again and os.environ["RANK"] == "0":
        print(f"a process died; all start anew from the last checkpoint ({again} of {RESTARTS})", flush=True)
    try:
        distributed.train_run(p, _print_row, lambda: bool(stop.value), store)
    except distributed.REFUSALS as error:
        if distributed.own(error):
            raise
        return str(error)
    return ""


def _end_with(alive) -> None:
    """Ask this process to stop when nobody holds the other end of `alive`, and end it after a while."""
    alive.poll(None)
    while True:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SAVING_SECONDS)


def _print_row(state: train.State, row: dict) -> None:
    print(json.dumps(row | {"memory": progress.peak_memory(state.device)}), flush=True)


def launcher(parameters: str) -> int:
    """Run the processes of a notebook's run on this machine, which listen on loopback only; ends, saved, with who started it."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    p = params.check("train", json.loads(parameters))
    logging.disable(logging.CRITICAL)  # of torch's launcher: what it has to say is said below
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lib.launch"])
    stop, (alive, _held) = context.RawValue("b", 0), context.Pipe(duplex=False)
    for number in (*interrupt.SIGNALS, signal.SIGHUP):
        signal.signal(number, lambda *_: setattr(stop, "value", 1))
    interrupt.end_with(int(os.environ["REPORT_NOTEBOOK"]))
    loopback = "lo" if sys.platform == "linux" else "lo0"
    os.environ |= {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": loopback, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        config = LaunchConfig(1, 1, p.devices, run_id="run", max_restarts=RESTARTS, start_method="forkserver", rdzv_backend="c10d",
                              rdzv_endpoint=f"{folder}/rendezvous", rdzv_configs={"store_type": "file"}, local_addr="127.0.0.1",
                              signals_to_handle="SIGQUIT", shutdown_timeout=5)
        try:
            said = elastic_launch(config, work)(p, stop, alive, f"{folder}/store")[0]
        except ChildFailedError as error:
            said = f"a process died {RESTARTS + 1} times, at last so: {error.get_first_failure()[1].message.splitlines()[-1]}"
    if said:
        print(said, file=sys.stderr)
    return 1 if said else 0


def on_devices(state: train.State, show) -> predict.Run:
    """From a notebook: train the state's run on params.devices devices, and give each epoch's row to `show(row)`; the finished run.

    A wish to stop reaches all processes after the same step. Raises TrainingError, or ValueError where the devices are not there.
    """
    p = state.params
    distributed.device_of(p, p.devices)
    with interrupt.deferred() as asked_to_stop, tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        process = subprocess.Popen([sys.executable, "-c", LAUNCHER, json.dumps(p.model_dump())], cwd=runs.ROOT, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8", start_new_session=True,
                                   env=os.environ | {"REPORT_NOTEBOOK": str(os.getpid())})

        def watch():
            while process.poll() is None and not asked_to_stop():
                time.sleep(0.2)
            process.terminate()  # nothing, when it has ended

        threading.Thread(target=watch, daemon=True).start()
        try:
            for line in process.stdout:
                _show(state, show, line)
            code = process.wait()
        finally:
            process.terminate()
        errors.seek(0)
        said = errors.read().strip() or f"the launcher ended with status {code}"
    if code:
        raise train.TrainingError(said.splitlines()[-1])
    return predict.load_run(state.folder)


def _show(state: train.State, show, line: str) -> None:
    """Give a row to `show`, after it has joined the history, which a new start may have to tell once more; print any other line."""
    if not line.startswith("{"):
        print(line, end="", flush=True)
        return
    row = json.loads(line)
    memory = row.pop("memory")
    state.history[row["epoch"] - 1:] = [row]
    show(row, memory)

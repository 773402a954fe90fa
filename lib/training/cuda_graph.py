"""The training step for a GPU: what an epoch draws is on the device before it begins, and the whole
step is one CUDA graph.

The same recipe as lib.training.loop's plain step, in tensor operations alone: no value travels to
the host within an epoch, so that a batch may be launched while the one before it is computed. On a
CPU the formulation gives the plain step's bits (tests/training/test_cuda_graph.py)."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from lib import cutmix
from lib.base.log import log
from lib.data import augment

# steps before a capture: they make the momentum buffers, and let libraries choose their kernels
WARM_UP = 3
# until one fails: torch's allocator is left as in a capture then, and another one would fail as
# well
CAPTURES = True
# for a process that trains many runs: a cold compilation (a minute) outlasts a run
COMPILED = False


@dataclass
class Plan:
    """An epoch's draws on the device. Places in memory stay, as a graph knows its tensors by them;
    contents change each epoch."""

    order: torch.Tensor  # (N,) the epoch's images
    shifts: torch.Tensor | None  # (N, 3 or 7) of augment.draw_augmentation, in that order
    partner: torch.Tensor  # (N,) each image's partner, as a place in its batch
    box: torch.Tensor  # (steps, 4) top, bottom, left, right of CutMix; else empty
    share: torch.Tensor  # (steps, 2) lam and 1 - lam: 1 and 0 where a batch is not mixed
    step: torch.Tensor  # (1,) the step that comes next
    blend: torch.Tensor | None = None  # (steps, 2) the share where it is MixUp's, else 1 and 0


def plan(
    params, epoch: int, order: torch.Tensor, draws: torch.Tensor | None, size: tuple[int, int]
) -> Plan:
    """What epoch 0, 1, ... draws, on the CPU; order: (N,), draws: (N, 3 or 7) by image or None,
    size: height and width."""
    batches = order.split(params.batch_size)
    partner, box, share = (
        [],
        np.zeros((len(batches), 4), np.int64),
        np.tile(np.float32([1, 0]), (len(batches), 1)),
    )
    blend = share.copy()
    for number, batch in enumerate(batches):
        drawn = (
            cutmix.draw_for_step(params, epoch * len(batches) + number, len(batch), *size)
            if mixes(params)
            else None
        )
        partner.append(torch.arange(len(batch)) if drawn is None else drawn[0])
        if drawn is not None:
            share[number] = drawn[2], 1 - drawn[2]
            if drawn[1] is None:
                blend[number] = share[number]
            else:
                box[number] = drawn[1]
    return Plan(
        order,
        None if draws is None else draws[order],
        torch.cat(partner),
        torch.from_numpy(box),
        torch.from_numpy(share),
        torch.zeros(1, dtype=torch.int64),
        torch.from_numpy(blend) if params.mixup_probability else None,
    )


def mixes(params) -> bool:
    """Whether any batch of a run is mixed."""
    return params.cutmix_probability > 0 or params.mixup_probability > 0


def batch(
    images: torch.Tensor,
    labels: torch.Tensor,
    now: Plan,
    mean,
    std,
    batch_size: int,
    count: int,
    mixing: bool,
):
    """The `count` images of the plan's next step as training sees them: (images, labels,
    partner_labels, lam, 1 - lam).

    images: the whole split, uint8 (N, 3, h, w); batch_size: of the steps before; `mean` and `std`:
    tensors on its device."""
    place = now.step * batch_size + torch.arange(count, device=images.device)
    chosen = now.order[place]
    mixed = augment.training_batch(
        images[chosen], None if now.shifts is None else now.shifts[place], mean, std
    )
    labels = labels[chosen]
    lam, rest = now.share[now.step].view(2).unbind()
    if not mixing:
        return mixed, labels, labels, lam, rest
    partner = now.partner[place]
    top, bottom, left, right = now.box[now.step].unbind(1)
    row, column = (torch.arange(side, device=images.device) for side in mixed.shape[2:])
    inside = ((row >= top) & (row < bottom))[:, None] & ((column >= left) & (column < right))
    pasted = torch.where(inside, mixed[partner], mixed)
    if now.blend is not None:
        # of a batch that is not MixUp's, once what was there and no time its partner
        own, other = now.blend[now.step].view(2).unbind()
        pasted = own * pasted + other * mixed[partner]
    return pasted, labels, labels[partner], lam, rest


def forward(
    network,
    images,
    labels,
    partner_labels,
    lam,
    rest,
    smoothing: float,
    mixing: bool,
    precision: str,
):
    """Loss, and what the epoch counts (5,): see lib.training.loop.reset_totals."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
        outputs = network(images.contiguous(memory_format=torch.channels_last))
    outputs = outputs.float()
    loss = F.cross_entropy(outputs, labels, label_smoothing=smoothing)
    if mixing:
        loss = lam * loss + rest * F.cross_entropy(
            outputs, partner_labels, label_smoothing=smoothing
        )
    guess, count = outputs.detach().argmax(1), torch.full_like(lam, len(labels))
    right = lam * (guess == labels).sum() + rest * (guess == partner_labels).sum()
    return loss, torch.stack(
        [loss.detach() * count, right, count, torch.where(lam < 1, lam, 0), (lam < 1).to(lam)]
    )


class Engine:
    """Takes steps of one run: one by one until warm, then as a graph, captured anew when the
    learning rate changes.

    The last, smaller batch is taken outside the graph. A loss that is not finite is found at the
    end of the epoch, in its totals: the run stops there, and nothing is published.
    """

    def __init__(self, state):
        self.state, self.graph, self.rate, self.warm, self.plan = state, None, None, 0, None
        self.usable = CAPTURES and state.device.type == "cuda"
        self.mean, self.std = (
            torch.tensor(values, dtype=torch.float32, device=state.device)
            for values in (state.splits.mean, state.splits.std)
        )
        self.totals = torch.zeros_like(state.totals)
        self.network, self.stream = state.model, torch.cuda.Stream() if self.usable else None
        if COMPILED:
            # or the limit of recompilations counts the networks of the runs before
            torch._dynamo.reset()
            self.network = torch.compile(state.model, fullgraph=True, dynamic=False)

    def begin(self, order: torch.Tensor, draws: torch.Tensor | None) -> None:
        """Lay out the state's epoch: order (N,) and draws (N, 3 or 7) on the CPU."""
        state = self.state
        drawn = plan(state.params, state.epoch, order, draws, tuple(state.images.shape[2:]))
        drawn.step += state.step
        if self.plan is None:
            self.plan = Plan(
                **{
                    name: None if value is None else value.to(state.device)
                    for name, value in vars(drawn).items()
                }
            )
        else:
            for name, value in vars(drawn).items():
                if value is not None:
                    getattr(self.plan, name).copy_(value)
        self.totals.copy_(state.totals)
        state.totals = self.totals

    def take(self, count: int) -> None:
        """The next step, on `count` images."""
        rate = self.state.optimizer.param_groups[0]["lr"]
        if not self.usable or self.warm < WARM_UP or count < self.state.params.batch_size:
            self.warm += 1
            return self.aside(count)
        if self.graph is None or self.rate != rate:
            self.capture(count)
            self.rate = rate
        if self.graph:
            return self.graph.replay()
        self.aside(count)

    def aside(self, count: int) -> None:
        """A step outside the graph, on the stream of captures: a capture may not meet what another
        stream has begun."""
        if self.stream is None:
            return self.step(count)
        here = torch.cuda.current_stream()
        self.stream.wait_stream(here)
        with torch.cuda.stream(self.stream):
            self.step(count)
        here.wait_stream(self.stream)

    def step(self, count: int) -> None:
        state, params = self.state, self.state.params
        mixing, whole = mixes(params), count == params.batch_size
        given = batch(
            state.images,
            state.labels,
            self.plan,
            self.mean,
            self.std,
            params.batch_size,
            count,
            mixing,
        )
        # the smaller batch is not worth a compilation of its own
        network = self.network if whole else state.model
        loss, counted = forward(network, *given, params.label_smoothing, mixing, state.precision)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        state.optimizer.step()
        self.totals += counted.to(self.totals)
        self.plan.step += 1

    def capture(self, count: int) -> None:
        """Record the step as a graph, which computes nothing yet. Where that fails, training goes
        on step by step and says so."""
        global CAPTURES
        self.graph = None
        graph, here = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, stream=self.stream):
                self.step(count)
            self.graph = graph
        except RuntimeError as error:
            # The end of a failed capture fails in turn, and leaves its stream the current one.
            why = error.__context__ or error
            torch.cuda.set_stream(here)
            self.usable = CAPTURES = False
            if isinstance(why, torch.OutOfMemoryError):
                raise why from None
            log.warning(
                "CUDA graph: not captured "
                f"({(str(why).splitlines() or [type(why).__name__])[0]}); training goes on step "
                "by step, slower"
            )


def kind() -> str:
    """How the steps of a run are taken on a GPU, for its fingerprint."""
    return "CUDA graph of the compiled network" if COMPILED else "CUDA graph"

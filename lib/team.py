"""The processes that train one run together, one a device: each takes its part of every batch, and sums are over all of them.

Every process draws and mixes the whole batch, as the draws are functions of counters: the sample stream is that of one device, however
many there are, and a step is that of one device up to rounding, BatchNorm and the last, smaller batch included.
"""
import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Team:
    """This process among all; `wish` tells whether it was asked to stop by other means than a signal."""

    rank: int = 0
    size: int = 1
    wish: Callable[[], bool] = bool

    def part(self, count: int) -> slice:
        """This process's images of a batch of `count`; none, perhaps, of a last batch smaller than the team."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, with the same bits in each."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def agreed(self, asked: bool) -> bool:
        """Whether any process was asked to stop: all of them hear of it after the same step."""
        return bool(self.total(torch.tensor(float(asked or self.wish()))))

    def same(self, content):
        """What the first process holds, in all of them."""
        box = [content]
        if self.size > 1:
            dist.broadcast_object_list(box)
        return box[0]

    def wrap(self, model: nn.Module) -> nn.Module:
        """The network to train: `model` itself, or around it what averages the gradients of all processes.

        BatchNorm becomes that of the whole batch, in place: parameters, buffers and their names stay.
        """
        if self.size == 1:
            return model
        for module in model.modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = BatchNorm
        network = nn.parallel.DistributedDataParallel(model, forward_sync_buffers=False)
        # What it sums together it settles in the first pass backward: here, or of three processes a run that goes on would differ.
        before = copy.deepcopy(model.state_dict())
        network(torch.zeros(1, 3, 32, 32, device=next(model.parameters()).device)).sum().backward()
        model.load_state_dict(before)
        model.zero_grad(set_to_none=True)
        return network


ALONE = Team()


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm over the images of all processes, on any device: nn.SyncBatchNorm refuses a CPU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(x)
        mean, var, count = moments(x, self.running_mean)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * (count / (count - 1)), self.momentum)
        self.num_batches_tracked += 1
        return _Normalise.apply(x, self.weight, self.bias, mean, var, count, self.eps)


@torch.no_grad()
def moments(x: torch.Tensor, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Mean and variance of each channel of (N, C, h, w) over all processes, in the type of `like`, and the number of values.

    In float64 the difference of squares takes nothing from what the processes found each for itself.
    """
    mean, var = (torch.zeros_like(like) for _ in range(2))
    if len(x):  # the kernel fails on nothing; without its second and third argument it answers in the type of x
        mean, var = torch.ops.aten.batch_norm_update_stats(x, torch.zeros_like(like), torch.zeros_like(like), 0.0)
    mean, var, count = mean.double(), var.double(), x.numel() // x.shape[1]
    sums = torch.cat([count * mean, count * (var + mean**2), mean.new_full((1,), count)])
    dist.all_reduce(sums)
    count = sums[-1]
    mean, square = (sums[:-1] / count).chunk(2)
    return mean.to(like), (square - mean**2).clamp(min=0).to(like), count.to(like)


class _Normalise(torch.autograd.Function):
    """BatchNorm with given moments. Its gradient knows that they come from the values of all processes."""

    @staticmethod
    def forward(ctx, x, weight, bias, mean, var, count, eps):
        ctx.save_for_backward(x, weight, mean, var, count)
        ctx.eps = eps
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps) if len(x) else x.clone()

    @staticmethod
    def backward(ctx, grad):
        x, weight, mean, var, count = ctx.saved_tensors
        of_x, of_weight, of_bias = grad.clone(), torch.zeros_like(weight), torch.zeros_like(weight)
        if len(x):
            of_x, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
                grad, x, weight, mean, var, None, None, False, ctx.eps, [True] * 3)
        sums = torch.cat([of_weight, of_bias]).double()
        dist.all_reduce(sums)
        with_x, alone = sums.to(weight).chunk(2)
        inverse = (var + ctx.eps).rsqrt()
        slope = -weight * inverse**2 * with_x / count
        offset = -weight * inverse * alone / count - slope * mean
        shape = (1, -1, 1, 1)
        of_x.add_(x * slope.view(shape).to(x) + offset.view(shape).to(x))
        return of_x, of_weight, of_bias, None, None, None, None

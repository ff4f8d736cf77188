"""The slow reference (Gatys et al. 2016): the picture itself is optimised, with the losses of training."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from . import losses
from .losses import Target, Weights
from .vgg import Vgg

HISTORY = 20


@dataclass(frozen=True)
class Point:
    """Where the optimisation stands after `iteration` steps of L-BFGS and so many seconds."""

    iteration: int
    seconds: float
    content: float
    style: float
    total: float
    painted: torch.Tensor


class Judge:
    """The loss of a painted picture f32[1,3,H,W] of one photo and one painting, seen whole from near and far."""

    def __init__(self, vgg: Vgg, photo: torch.Tensor, target: Target, weights: Weights, strength: float = 1.0):
        self.vgg, self.photo, self.target, self.weights, self.strength = vgg, photo, target, weights, strength

    def __call__(self, painted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Content, style and total loss (with total variation, without stability: a still has none)."""
        whole = slice(None), slice(None)
        content, style = losses.perceptual_losses(self.vgg, painted, self.photo, [self.target], whole)
        variation = losses.variation_loss(painted)
        weigh = self.weights
        total = weigh.content * content + weigh.style * self.strength * style + weigh.variation * variation
        return content[0], style[0], total[0]


def optimise(judge: Judge, marks: Sequence[int]) -> Iterator[Point]:
    """Starts from the photo; yields where it stands at each of the given iterations, the last of which ends it."""
    image = judge.photo.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([image], max_iter=1, history_size=HISTORY, line_search_fn="strong_wolfe")
    began = time.monotonic()

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        total = judge(image)[2]
        total.backward()
        # L-BFGS takes the gradient as a vector; VGG gives it with the channels last.
        image.grad = image.grad.contiguous()
        return total

    for iteration in range(max(marks) + 1):
        if iteration:
            optimiser.step(closure)
        if iteration in marks:
            seconds = time.monotonic() - began
            painted = image.detach().clamp(0, 1)
            with torch.no_grad():
                content, style, total = judge(painted)
            yield Point(iteration, seconds, content.item(), style.item(), total.item(), painted)

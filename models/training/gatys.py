"""The slow reference (Gatys et al. 2016): the picture itself is optimised, with the losses of training."""

import sys
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
        self.content = losses.photo_content(vgg, photo)

    def __call__(self, painted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Content, style and total loss (with total variation, without stability: a still has none)."""
        seen = self.see(painted)
        variation = losses.variation_loss(painted)
        weigh = self.weights
        total = weigh.content * seen.content + weigh.style * self.strength * seen.style + weigh.variation * variation
        return seen.content[0], seen.style[0], total[0]

    def see(self, painted: torch.Tensor) -> losses.Seen:
        return losses.perceptual_losses(self.vgg, painted, self.content, self.target)


def mean_losses(judges: Sequence[Judge], painted: Sequence[torch.Tensor]) -> tuple[float, float]:
    """Mean content and style loss of pictures, each beside its own judge."""
    with torch.no_grad():
        content, style, _ = zip(*(judge(picture) for judge, picture in zip(judges, painted)))
    return torch.stack(content).mean().item(), torch.stack(style).mean().item()


def optimise(judge: Judge, marks: Sequence[int]) -> Iterator[Point]:
    """Starts from the photo; yields where it stands at each of the given iterations, the last of which ends it."""
    image = judge.photo.clone().requires_grad_()
    # Only the marks end it: with PyTorch's own limits it stops for good at the first step that is too short.
    optimiser = torch.optim.LBFGS(
        [image], history_size=HISTORY, max_eval=sys.maxsize, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe"
    )
    began = time.monotonic()

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        total = judge(image)[2]
        total.backward()
        # L-BFGS takes the gradient as a vector; VGG gives it with the channels last.
        image.grad = image.grad.contiguous()
        return total

    iteration = 0
    for mark in marks:
        if mark > iteration:
            optimiser.param_groups[0]["max_iter"] = mark - iteration
            optimiser.step(closure)
        iteration = mark
        seconds = time.monotonic() - began
        painted = image.detach().clamp(0, 1)
        with torch.no_grad():
            content, style, total = judge(painted)
        yield Point(iteration, seconds, content.item(), style.item(), total.item(), painted)

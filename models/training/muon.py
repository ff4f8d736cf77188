"""Muon (Jordan et al. 2024): the momentum of a matrix is made orthogonal, so that each step moves all directions alike."""

from collections import defaultdict
from collections.abc import Iterable

import torch

MOMENTUM = 0.95
# The quintic iteration of the paper: singular values come near 1, and more than that is not needed.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Steps of 1x1 and other dense convolutions, seen as matrices of outputs by inputs; those of one size are taken together."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], pace: float):
        by_size = defaultdict(list)
        for parameter in parameters:
            by_size[parameter.flatten(1).shape].append(parameter)
        super().__init__([{"params": same, "pace": pace} for same in by_size.values()], {"lr": 0.0})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            gradients = torch.stack([parameter.grad.flatten(1) for parameter in group["params"]])
            kept = self.state[group["params"][0]]
            if "momentum" not in kept:
                kept["momentum"] = torch.zeros_like(gradients)
            momentum = kept["momentum"].lerp_(gradients, 1 - MOMENTUM)
            moves = orthogonal(gradients.lerp(momentum, MOMENTUM))
            rate = group["lr"] * max(1.0, moves.shape[1] / moves.shape[2]) ** 0.5
            for parameter, move in zip(group["params"], moves):
                parameter.sub_(move.reshape(parameter.shape), alpha=rate)


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """f32[N,R,C] -> the nearest matrices whose singular values are all about 1."""
    high = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if high else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * square @ square) @ x
    return x.transpose(1, 2) if high else x

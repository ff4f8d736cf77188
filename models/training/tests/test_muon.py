"""Muon: its steps are orthogonal, and it finds what it looks for."""

import torch

from ..muon import Muon, orthogonal


def test_a_matrix_becomes_nearly_orthogonal_whatever_its_form_and_scale():
    torch.manual_seed(0)
    for size in ((3, 32, 64), (2, 32, 96), (1, 128, 48)):
        values = torch.linalg.svdvals(orthogonal(1e-3 * torch.randn(size)))
        assert 0.5 < values.min() and values.max() < 1.3


def test_it_learns_convolutions_of_several_sizes_and_goes_on_from_disk():
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(8, 16, 1, bias=False), torch.nn.Conv2d(16, 8, 1, bias=False)]
    wanted = torch.linalg.qr(torch.randn(8, 8))[0]
    weights = [layer.weight for layer in layers]

    def error(optimiser: Muon | None) -> float:
        loss = (weights[1].flatten(1) @ weights[0].flatten(1) - wanted).square().mean()
        loss.backward()
        if optimiser:
            optimiser.step()
            optimiser.zero_grad()
        return loss.item()

    first = Muon(weights, pace=1.0)
    assert [group["pace"] for group in first.param_groups] == [1.0, 1.0]
    for group in first.param_groups:
        group["lr"] = 0.02
    before = [error(first) for _ in range(20)][0]
    second = Muon(weights, pace=1.0)
    second.load_state_dict(first.state_dict())
    momentum = [optimiser.state[weights[0]]["momentum"] for optimiser in (first, second)]
    assert torch.equal(*momentum) and second.param_groups[0]["lr"] == 0.02
    assert [error(second) for _ in range(60)][-1] < 0.1 * before

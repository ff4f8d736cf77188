"""The network: sizes, styles that blend, and no frame and no grid where the picture has none."""

import pytest
import torch

from ..network import SHAPES, Painter, one_hot


@pytest.mark.parametrize("size", [(32, 32), (48, 200), (360, 640)])
def test_output_has_the_size_of_the_input(lite, size):
    painted = lite.painter(torch.rand(2, 3, *size), one_hot([0, 2], 3))
    assert painted.shape == (2, 3, *size)


def test_every_picture_of_a_batch_gets_its_own_style(lite):
    photo = torch.rand(1, 3, 64, 64)
    together = lite.painter(photo.expand(2, -1, -1, -1), one_hot([1, 2], 3))
    for number, row in enumerate([1, 2]):
        alone = lite.painter(photo, one_hot([row], 3))
        assert torch.allclose(together[number], alone[0], atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-2)


def test_a_blend_is_the_style_of_the_mixed_row(lite):
    photo = torch.rand(1, 3, 64, 64)
    blended = lite.painter(photo, torch.tensor([[0.0, 0.25, 0.75]]))
    with torch.no_grad():
        lite.painter.rows[0].copy_(0.25 * lite.painter.rows[1] + 0.75 * lite.painter.rows[2])
    assert torch.allclose(blended, lite.painter(photo, one_hot([0], 3)), atol=1e-5)


def test_an_untrained_network_paints_a_flat_picture_flat():
    torch.manual_seed(0)
    painted = Painter(SHAPES["lite"], 1)(torch.full((1, 3, 96, 96), 0.4), one_hot([0], 1))
    assert painted.std(dim=(2, 3)).max() < 1e-4


def test_a_style_is_a_few_hundred_floats():
    assert 500 < SHAPES["lite"].row_length < 1000

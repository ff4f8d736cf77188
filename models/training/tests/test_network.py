"""The network: sizes, styles that blend, and no frame and no grid where the picture has none."""

from pathlib import Path

import pytest
import torch

from .. import checkpoint
from ..data import open_rgb, to_tensor
from ..network import SHAPES, Painter, one_hot
from ..proof import frame
from ..proof.networks import open_network

SHOWCASE = Path(__file__).parents[2] / "showcase"


@pytest.mark.parametrize("size", [(32, 32), (47, 201), (360, 640)])
def test_output_has_the_size_of_the_input(lite, size):
    painted = lite.painter.paint(torch.rand(2, 3, *size), one_hot([0, 2], 3))
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


def test_an_untrained_network_has_no_grid():
    torch.manual_seed(0)
    painted = Painter(SHAPES["lite"], 1)(torch.full((1, 3, 320, 320), 0.4), one_hot([0], 1))
    middle = painted[:, :, 128:192, 128:192]
    assert middle.std(dim=(2, 3)).max() < 1e-3


@pytest.mark.parametrize("network", [name for name in SHAPES if checkpoint.shipped(name).exists()])
def test_the_shipped_networks_paint_no_frame(network):
    """A picture cut out of a larger one is painted at its edges as it is in its middle."""
    trained, _ = checkpoint.read(checkpoint.shipped(network))
    photo = to_tensor(open_rgb(SHOWCASE / "coffee.jpg"))[:, :, :352, :480]
    inside = slice(48, -48)
    for row in range(len(trained.lessons)):
        style = one_hot([row], len(trained.lessons))
        with torch.no_grad():
            whole = trained.painter.paint(photo, style)[:, :, inside, inside]
            cut = trained.painter.paint(photo[:, :, inside, inside], style)
        off = (whole - cut).mean(dim=1)[0]
        edge = torch.cat([off[:8].flatten(), off[-8:].flatten(), off[:, :8].flatten(), off[:, -8:].flatten()])
        assert (edge.mean() - off[32:-32, 32:-32].mean()).abs() < 0.1, trained.lessons[row].name


@pytest.mark.parametrize("network", ["nano", "lite", "full"])
def test_the_shipped_networks_paint_no_frame_around_a_flat_grey_picture(network):
    shipped = open_network(str(SHOWCASE.parent / f"{network}.onnx"))
    for style in range(shipped.style_count):
        assert frame.frame_of(shipped, style) <= 6, style


def test_a_style_is_a_small_part_of_a_network():
    lite = Painter(SHAPES["lite"], 1)
    assert 50 * SHAPES["lite"].row_length < sum(parameter.numel() for parameter in lite.parameters())

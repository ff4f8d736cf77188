"""`full` from a trained `lite` (Net2Net, Chen et al. 2016): it paints, until it learns, with strokes of half the size.

Smaller cells: it paints what the smaller network paints on a picture of twice the size, shrunk again. Wider
blocks, and further blocks behind them, change nothing at first.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from .network import Block, Painter, Shape, split_row

# Copies of a channel that spoke for equal parts of it would learn the same for ever: their parts are
# drawn from this range, and then made to be one together.
PARTS = (0.3, 0.7)


def can_grow(shape: Shape, wanted: Shape) -> bool:
    cells_fit = shape.cell_px % wanted.cell_px == 0
    blocks_fit = shape.expansion <= wanted.expansion and shape.far_blocks == 0
    free = {part: getattr(wanted, part) for part in ("cell_px", "expansion", "far_blocks")}
    return cells_fit and blocks_fit and replace(shape, **free) == wanted


def grown(painter: Painter, shape: Shape) -> Painter:
    """`painter` in a shape that it `can_grow` to."""
    old, larger = painter.shape, Painter(shape, len(painter.rows))
    with torch.no_grad():
        seeing_cells(painter.stem, larger.stem)
        painting_cells(painter.paint_cells, larger.paint_cells, old.cell_px, shape.cell_px)
        for name in ("down", "lateral", "join_spread", "join"):
            getattr(larger, name).load_state_dict(getattr(painter, name).state_dict())
        for known, block in zip(painter.blocks, larger.blocks):
            widened(known, block)
        for block in larger.blocks[old.blocks :]:
            nn.init.zeros_(block.narrow.weight)
            nn.init.zeros_(block.narrow.bias)
        for known, row in zip(painter.rows, larger.rows):
            copy_row(known, row, old, shape)
    return larger


def seeing_cells(known: nn.Conv2d, small: nn.Conv2d) -> None:
    """A stem that sees in a small cell what `known` sees in a large one that each pixel fills several places of."""
    pixel_px = known.kernel_size[0] // small.kernel_size[0]
    small.weight.copy_(F.avg_pool2d(known.weight, pixel_px) * pixel_px**2)
    small.bias.copy_(known.bias)


def painting_cells(known: nn.Conv2d, small: nn.Conv2d, large_px: int, small_px: int) -> None:
    """Paints each pixel of a small cell as the mean of the pixels that `known` puts there in a large one."""
    for parameter, known_parameter in zip(small.parameters(), known.parameters()):
        pixels = known_parameter.reshape(3, large_px, large_px, -1).permute(3, 0, 1, 2)
        parameter.copy_(F.avg_pool2d(pixels, large_px // small_px).permute(1, 2, 3, 0).reshape(parameter.shape))


def widened(known: Block, block: Block) -> None:
    """The first channels of the expansion again, so that each pair says together what the one said."""
    before, after = known.widen.out_channels, block.widen.out_channels
    of = torch.arange(after) % before
    part = torch.empty(after).uniform_(*PARTS)
    part /= torch.zeros(before).index_add(0, of, part)[of]
    block.spread.load_state_dict(known.spread.state_dict())
    block.widen.weight.copy_(known.widen.weight[of])
    block.widen.bias.copy_(known.widen.bias[of])
    block.narrow.weight.copy_(known.narrow.weight[:, of] * part[:, None, None])
    block.narrow.bias.copy_(known.narrow.bias)


def copy_row(known: torch.Tensor, row: torch.Tensor, old: Shape, shape: Shape) -> None:
    """The norms of the blocks that both have, and the one behind the last block; those between stay plain."""
    places, sources = (split_row(each[None], of) for each, of in ((row, shape), (known, old)))
    for place, source in [*zip(places, sources[:-1]), (places[-1], sources[-1])]:
        for part, source_part in zip(place, source):
            part.copy_(source_part)

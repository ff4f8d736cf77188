"""A larger network from a trained one (Net2Net, Chen et al. 2016): it paints the same until it learns."""

from dataclasses import dataclass

import torch
from torch import nn

from .network import Painter, Shape, split_row

# Copies of a channel that spoke for equal parts of it would learn the same for ever: their parts are
# drawn from this range, and then made to be one together.
PARTS = (0.3, 0.7)


@dataclass(frozen=True)
class Copies:
    """Which channel of the smaller layer each channel of the larger one copies, and its part of what that says."""

    of: torch.Tensor
    part: torch.Tensor


def copies(before: int, after: int) -> Copies:
    of = torch.arange(after) % before
    part = torch.empty(after).uniform_(*PARTS)
    return Copies(of, part / torch.zeros(before).index_add(0, of, part)[of])


def side_by_side(first: Copies, second: Copies, before: int) -> Copies:
    """Of two layers whose channels are joined, `before` of them from the first."""
    return Copies(torch.cat([first.of, second.of + before]), torch.cat([first.part, second.part]))


def grown(painter: Painter, shape: Shape) -> Painter:
    """`painter`, which has neither far blocks nor a fine correction, in a shape that is nowhere smaller."""
    old, larger = painter.shape, Painter(shape, len(painter.rows))
    stem, width, expansion, head = (
        copies(getattr(old, layer), getattr(shape, layer)) for layer in ("stem", "width", "expansion", "head")
    )
    joined = side_by_side(head, stem, old.head)
    colours, cells = copies(3, 3), copies(painter.paint_cells.out_channels, painter.paint_cells.out_channels)
    with torch.no_grad():
        copy(painter.stem, larger.stem, colours, stem)
        copy(painter.down, larger.down, stem, width)
        for block, known in zip(larger.blocks, painter.blocks):
            copy(known.spread, block.spread, None, width)
            copy(known.widen, block.widen, width, expansion)
            copy(known.narrow, block.narrow, expansion, width)
        for block in larger.blocks[len(painter.blocks) :]:
            nn.init.zeros_(block.narrow.weight)
            nn.init.zeros_(block.narrow.bias)
        copy(painter.lateral, larger.lateral, width, head)
        copy(painter.join_spread, larger.join_spread, None, joined)
        copy(painter.join, larger.join, joined, head)
        copy(painter.paint_cells, larger.paint_cells, head, cells)
        for row, known in zip(larger.rows, painter.rows):
            copy_row(known, row, old, shape, width)
    return larger


def copy(known: nn.Conv2d, larger: nn.Conv2d, seen: Copies | None, made: Copies) -> None:
    """`seen` is None where each channel sees only itself."""
    weight = known.weight[made.of]
    larger.weight.copy_(weight if seen is None else weight[:, seen.of] * seen.part[None, :, None, None])
    if larger.bias is not None:
        larger.bias.copy_(known.bias[made.of])


def copy_row(known: torch.Tensor, row: torch.Tensor, old: Shape, shape: Shape, width: Copies) -> None:
    """The norms of the blocks that both have, and the one behind the last block; those between stay plain."""
    places, sources = (split_row(each[None], of) for each, of in ((row, shape), (known, old)))
    for place, source in [*zip(places, sources[:-1]), (places[-1], sources[-1])]:
        for part, source_part in zip(place, source):
            part.copy_(source_part[:, width.of])

"""A larger network from a trained one (Net2Net, Chen et al. 2016): it paints the same until it learns.

With smaller cells it paints the same on a picture of twice the size, shrunk again: with finer strokes.
"""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
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


def can_grow(shape: Shape, wanted: Shape) -> bool:
    before, after = asdict(shape), asdict(wanted)
    cells_fit = before.pop("cell_px") % after.pop("cell_px") == 0
    return cells_fit and not shape.far_blocks and all(before[part] <= after[part] for part in before)


def grown(painter: Painter, shape: Shape) -> Painter:
    """`painter`, which has no far blocks, in a shape that has no layer with fewer channels and no larger cells."""
    old, larger = painter.shape, Painter(shape, len(painter.rows))
    stem, width, expansion, head = (
        copies(getattr(old, layer), getattr(shape, layer)) for layer in ("stem", "width", "expansion", "head")
    )
    joined = side_by_side(head, stem, old.head)
    with torch.no_grad():
        copy(with_cells(painter.stem, shape.cell_px), larger.stem, copies(3, 3), stem)
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
        pixels = larger.paint_cells.out_channels
        copy(painting_cells(painter.paint_cells, old.cell_px, shape.cell_px), larger.paint_cells, head, copies(pixels, pixels))
        for row, known in zip(larger.rows, painter.rows):
            copy_row(known, row, old, shape, width)
    return larger


def with_cells(stem: nn.Conv2d, cell_px: int) -> nn.Conv2d:
    """A stem that sees in a small cell what `stem` sees in a large one that each pixel fills several places of."""
    small = nn.Conv2d(stem.in_channels, stem.out_channels, cell_px, stride=cell_px)
    pixel_px = stem.kernel_size[0] // cell_px
    small.weight.copy_(F.avg_pool2d(stem.weight, pixel_px) * pixel_px**2)
    small.bias.copy_(stem.bias)
    return small


def painting_cells(paint: nn.Conv2d, large_px: int, cell_px: int) -> nn.Conv2d:
    """Paints each pixel of a small cell as the mean of the pixels that `paint` puts there in a cell of `large_px`."""
    small = nn.Conv2d(paint.in_channels, 3 * cell_px**2, paint.kernel_size)
    for parameter, known in zip(small.parameters(), paint.parameters()):
        pixels = known.detach().reshape(3, large_px, large_px, -1).permute(3, 0, 1, 2)
        parameter.copy_(F.avg_pool2d(pixels, large_px // cell_px).permute(1, 2, 3, 0).reshape(parameter.shape))
    return small


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

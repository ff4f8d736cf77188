"""The painting network: a small trunk shared by all styles, and one row of numbers for each style.

After Johnson et al. 2016 (feed-forward style transfer), Dumoulin et al. 2017 (conditional instance
normalisation), Shi et al. 2016 (sub-pixel output) and Ronneberger et al. 2015 (levels of half the size, each
added to the one around it). `lite` and `nano` see and paint the picture in cells of 4x4 pixels and work at 1/8 to 1/32
of its size; `full` has cells of 2x2 pixels and works at 1/4 to 1/32.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

# A scale and an offset for each channel, f32[B,C,1,1].
Norm = tuple[torch.Tensor, torch.Tensor]
NORM_EPSILON = 1e-5
# At full cells the convolutions fill with zeros at the edge, which shows two cells deep: so the network gets a wider
# picture, and whoever runs it crops the rest away. Behind the norms of the blocks zeros would reach much further, and
# in an even picture a norm makes them as strong as a form: there the edge is repeated instead (`Block`).
BORDER_PX = 8
SPREAD = 5
# Cells that the outermost ones are repeated by, on each side, so that the picture keeps its size.
REACH = SPREAD // 2


@dataclass(frozen=True)
class Deep:
    """A level of half the width and height, for large forms: it stands behind `after` blocks of the level around it."""

    after: int
    width: int
    expansion: int
    blocks: int
    deep: "Deep | None" = None


@dataclass(frozen=True)
class Shape:
    """Channel counts and sizes; two checkpoints fit together only if these are equal.

    Multiples of 16 run fastest: ONNX Runtime lays channels in blocks of 8 or 16.
    """

    stem: int
    width: int
    expansion: int
    blocks: int
    head: int
    # Width and height of the cells.
    cell_px: int = 4
    deep: Deep | None = None

    @property
    def conditioned(self) -> dict[str, int]:
        """Channels of each style-conditioned layer by its name, in the order in which they run."""
        return conditioned("", self.width, self.blocks, self.deep) | {"lateral": self.width}

    @property
    def multiple(self) -> int:
        """What width and height of a picture must be multiples of."""
        level, multiple = self.deep, 2 * self.cell_px
        while level:
            level, multiple = level.deep, 2 * multiple
        return multiple

    @property
    def row_length(self) -> int:
        """Floats of one style: a scale and an offset for each conditioned channel."""
        return 2 * sum(self.conditioned.values())


def conditioned(level: str, width: int, blocks: int, deep: Deep | None) -> dict[str, int]:
    """Channels of each style-conditioned layer of a level and of those below it."""
    layers = [(f"{level}blocks.{number}", width) for number in range(blocks)]
    if deep:
        below = f"{level}below."
        inner = conditioned(below, deep.width, deep.blocks, deep.deep) | {f"{below}back": deep.width}
        layers[deep.after : deep.after] = inner.items()
    return dict(layers)


SHAPES = {
    "nano": Shape(stem=16, width=48, expansion=48, blocks=1, head=32, deep=Deep(1, 64, 64, 2, Deep(1, 96, 96, 3))),
    "lite": Shape(stem=16, width=64, expansion=64, blocks=2, head=32, deep=Deep(1, 96, 96, 2, Deep(1, 128, 128, 4))),
    "full": Shape(
        stem=16, width=48, expansion=48, blocks=1, head=32, cell_px=2,
        deep=Deep(1, 96, 96, 4, Deep(2, 160, 160, 4, Deep(2, 256, 256, 3))),
    ),
}


class Block(nn.Module):
    """Residual block of a level: style norm, depthwise spread, 1x1 wider, ReLU, 1x1 back, add."""

    def __init__(self, width: int, expansion: int):
        super().__init__()
        self.spread = nn.Conv2d(width, width, SPREAD, groups=width, bias=False)
        self.widen = nn.Conv2d(width, expansion, 1)
        self.narrow = nn.Conv2d(expansion, width, 1)
        # Of the 1x1 convolutions, which learn almost three times as fast in bfloat16 where the processor knows it.
        self.precision = torch.float32

    def forward(self, x: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        seen = self.seen(x, scale, offset)
        with torch.autocast(x.device.type, self.precision, enabled=self.precision != torch.float32):
            return x + self.narrow(F.relu(self.widen(seen)))

    def seen(self, x: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        """What each cell gets to see of itself and its neighbours."""
        return self.spread(F.pad(style_norm(x, scale, offset), [REACH] * 4, mode="replicate"))


class Below(nn.Module):
    """What a deeper level adds to the one around it; in a new one that is nothing, until it learns."""

    def __init__(self, around: int, shape: Deep):
        super().__init__()
        self.down = nn.Conv2d(around, shape.width, 2, stride=2)
        self.blocks = nn.ModuleList(Block(shape.width, shape.expansion) for _ in range(shape.blocks))
        self.below = Below(shape.width, shape.deep) if shape.deep else None
        # The blocks of the level around that it stands behind.
        self.after = shape.after
        self.back = nn.Conv2d(shape.width, around, 1)
        nn.init.zeros_(self.back.weight)
        nn.init.zeros_(self.back.bias)

    def forward(self, x: torch.Tensor, norms: Iterator[Norm]) -> torch.Tensor:
        y = through(self.blocks, self.below, F.relu(self.down(x)), norms)
        return x + doubled(self.back(style_norm(y, *next(norms))))


class Painter(nn.Module):
    """image f32[B,3,H,W] RGB 0..1, H and W multiples of `shape.multiple`, and weights f32[B,N] -> painted f32[B,3,H,W].

    `rows` holds the styles; the weights mix them, so any blend of styles is a style. The painted picture
    is about 0..1; whoever shows it clamps. Its outer `BORDER_PX` are not fit to be seen: `paint` adds and
    removes them.
    """

    def __init__(self, shape: Shape, style_count: int):
        super().__init__()
        self.shape = shape
        self.stem = nn.Conv2d(3, shape.stem, shape.cell_px, stride=shape.cell_px)
        self.down = nn.Conv2d(shape.stem, shape.width, 2, stride=2)
        self.blocks = nn.ModuleList(Block(shape.width, shape.expansion) for _ in range(shape.blocks))
        self.below = Below(shape.width, shape.deep) if shape.deep else None
        self.lateral = nn.Conv2d(shape.width, shape.head, 1)
        joined = shape.head + shape.stem
        self.join_spread = nn.Conv2d(joined, joined, 3, padding=1, groups=joined, bias=False)
        self.join = nn.Conv2d(joined, shape.head, 1)
        # Each cell of pixels is painted from 2x2 cells, two of which the next one shares: that is what
        # lets neighbours meet without a seam, at less than half of what 3x3 costs.
        self.paint_cells = nn.Conv2d(shape.head, 3 * shape.cell_px**2, 2)
        start_without_checkers(self.paint_cells)
        self.rows = nn.ParameterList(plain_row(shape) for _ in range(style_count))

    def forward(self, image: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        norms = iter(split_row(weights @ torch.stack(list(self.rows)), self.shape))
        # The way past the blocks: it carries the detail of faces.
        detail = F.relu(self.stem(image))
        x = through(self.blocks, self.below, F.relu(self.down(detail)), norms)
        x = self.lateral(style_norm(x, *next(norms)))
        x = torch.cat([doubled(x), detail], dim=1)
        x = F.relu(self.join(self.join_spread(x)))
        return F.pixel_shuffle(self.paint_cells(F.pad(x, (0, 1, 0, 1))), self.shape.cell_px)

    def paint(self, image: torch.Tensor, weights: torch.Tensor, border_px: int = BORDER_PX) -> torch.Tensor:
        """`forward` with a border of reflected pixels around the picture, which is cropped again; H and W are free."""
        height, width = image.shape[2:]
        right, below = (border_px + -(side + 2 * border_px) % self.shape.multiple for side in (width, height))
        painted = self(F.pad(image, (border_px, right, border_px, below), mode="reflect"), weights)
        return painted[:, :, border_px : border_px + height, border_px : border_px + width]


def through(blocks: nn.ModuleList, below: Below | None, x: torch.Tensor, norms: Iterator[Norm]) -> torch.Tensor:
    """A level of the trunk: its blocks, and behind the first few of them what lies below."""
    for number, block in enumerate(blocks):
        if below and number == below.after:
            x = below(x, norms)
        x = block(x, *next(norms))
    return below(x, norms) if below and below.after == len(blocks) else x


def doubled(x: torch.Tensor) -> torch.Tensor:
    """Between the cells, not cell by cell, which would show as stairs."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear")


def style_norm(x: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    return F.instance_norm(x, eps=NORM_EPSILON) * scale + offset


def split_row(row: torch.Tensor, shape: Shape) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """f32[B, row_length] -> for each conditioned layer its scale and offset, f32[B,C,1,1] each."""
    sizes = [channels for channels in shape.conditioned.values() for _ in range(2)]
    parts = [part[:, :, None, None] for part in row.split(sizes, dim=1)]
    return list(zip(parts[0::2], parts[1::2]))


def plain_row(shape: Shape) -> torch.Tensor:
    """The row that a new network starts with: scales 1, offsets 0."""
    return torch.cat([torch.full((channels,), value) for channels in shape.conditioned.values() for value in (1.0, 0.0)])


def start_without_checkers(paint: nn.Conv2d) -> None:
    """ICNR (Aitken et al. 2017): all sub-pixels of a colour start with the same weights."""
    with torch.no_grad():
        pixels = paint.out_channels // 3
        first = paint.weight[::pixels].repeat_interleave(pixels, dim=0)
        paint.weight.copy_(first)
        paint.bias.fill_(0.5)


def one_hot(rows: list[int], style_count: int) -> torch.Tensor:
    """Weights f32[len(rows), style_count] that choose one style for each picture."""
    return F.one_hot(torch.tensor(rows), style_count).float()

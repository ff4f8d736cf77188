"""The painting network: a small trunk shared by all styles, and one row of numbers for each style.

After Johnson et al. 2016 (feed-forward style transfer), Dumoulin et al. 2017 (conditional instance
normalisation) and Shi et al. 2016 (sub-pixel output). `lite` sees and paints the picture in cells of 4x4
pixels, and works at 1/4 and 1/8 of its size. `full` is a deeper `lite` with cells of 2x2 pixels, which works
at 1/2 and 1/4.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

NORM_EPSILON = 1e-5
SIZE_MULTIPLE = 8
# At full cells the convolutions fill with zeros at the edge, which shows two cells deep: so the network gets a wider
# picture, and whoever runs it crops the rest away. Behind the norms of the blocks zeros would reach much further, and
# in an even picture a norm makes them as strong as a form: there the edge is repeated instead (`Block`).
BORDER_PX = 8
SPREAD = 5
# A far block looks at every third place only, so that it sees three times as far.
FAR_STRIDE = 3


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
    far_blocks: int = 0
    # Width and height of the cells.
    cell_px: int = 4

    @property
    def conditioned(self) -> list[int]:
        """Channels of each style-conditioned layer, in the order in which they run."""
        return [self.width] * (self.blocks + self.far_blocks + 1)

    @property
    def row_length(self) -> int:
        """Floats of one style: a scale and an offset for each conditioned channel."""
        return 2 * sum(self.conditioned)


SHAPES = {
    "nano": Shape(stem=16, width=48, expansion=48, blocks=4, head=32),
    "lite": Shape(stem=16, width=64, expansion=64, blocks=5, head=32),
    "full": Shape(stem=16, width=64, expansion=128, blocks=5, head=32, far_blocks=3, cell_px=2),
}


class Block(nn.Module):
    """Residual block at the smallest size: style norm, depthwise spread, 1x1 wider, ReLU, 1x1 back, add."""

    def __init__(self, shape: Shape, stride: int = 1):
        super().__init__()
        self.spread = nn.Conv2d(shape.width, shape.width, SPREAD, dilation=stride, groups=shape.width, bias=False)
        # Cells that the outermost ones are repeated by, on each side, so that the picture keeps its size.
        self.reach = SPREAD // 2 * stride
        self.widen = nn.Conv2d(shape.width, shape.expansion, 1)
        self.narrow = nn.Conv2d(shape.expansion, shape.width, 1)
        # Of the 1x1 convolutions, which learn almost three times as fast in bfloat16 where the processor knows it.
        self.precision = torch.float32

    def forward(self, x: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        seen = self.seen(x, scale, offset)
        with torch.autocast(x.device.type, self.precision, enabled=self.precision != torch.float32):
            return x + self.narrow(F.relu(self.widen(seen)))

    def seen(self, x: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        """What each cell gets to see of itself and its neighbours."""
        return self.spread(F.pad(style_norm(x, scale, offset), [self.reach] * 4, mode="replicate"))


class Painter(nn.Module):
    """image f32[B,3,H,W] RGB 0..1, H and W multiples of 8, and weights f32[B,N] -> painted f32[B,3,H,W].

    `rows` holds the styles; the weights mix them, so any blend of styles is a style. The painted picture
    is about 0..1; whoever shows it clamps. Its outer `BORDER_PX` are not fit to be seen: `paint` adds and
    removes them.
    """

    def __init__(self, shape: Shape, style_count: int):
        super().__init__()
        self.shape = shape
        self.stem = nn.Conv2d(3, shape.stem, shape.cell_px, stride=shape.cell_px)
        self.down = nn.Conv2d(shape.stem, shape.width, 2, stride=2)
        strides = [1] * shape.blocks + [FAR_STRIDE] * shape.far_blocks
        self.blocks = nn.ModuleList(Block(shape, stride) for stride in strides)
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
        *norms, last_norm = split_row(weights @ torch.stack(list(self.rows)), self.shape)
        # The way past the blocks: it carries the detail of faces.
        detail = F.relu(self.stem(image))
        x = F.relu(self.down(detail))
        for block, (scale, offset) in zip(self.blocks, norms):
            x = block(x, scale, offset)
        x = self.lateral(style_norm(x, *last_norm))
        x = torch.cat([F.interpolate(x, scale_factor=2.0, mode="bilinear"), detail], dim=1)
        x = F.relu(self.join(self.join_spread(x)))
        return F.pixel_shuffle(self.paint_cells(F.pad(x, (0, 1, 0, 1))), self.shape.cell_px)

    def paint(self, image: torch.Tensor, weights: torch.Tensor, border_px: int = BORDER_PX) -> torch.Tensor:
        """`forward` with a border of reflected pixels around the picture, which is cropped again; H and W are free."""
        height, width = image.shape[2:]
        right, below = (-side % SIZE_MULTIPLE + border_px for side in (width, height))
        painted = self(F.pad(image, (border_px, right, border_px, below), mode="reflect"), weights)
        return painted[:, :, border_px : border_px + height, border_px : border_px + width]


def style_norm(x: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    return F.instance_norm(x, eps=NORM_EPSILON) * scale + offset


def split_row(row: torch.Tensor, shape: Shape) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """f32[B, row_length] -> for each conditioned layer its scale and offset, f32[B,C,1,1] each."""
    sizes = [channels for channels in shape.conditioned for _ in range(2)]
    parts = [part[:, :, None, None] for part in row.split(sizes, dim=1)]
    return list(zip(parts[0::2], parts[1::2]))


def plain_row(shape: Shape) -> torch.Tensor:
    """The row that a new network starts with: scales 1, offsets 0."""
    return torch.cat([torch.full((channels,), value) for channels in shape.conditioned for value in (1.0, 0.0)])


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

"""The painting network: a small trunk shared by all styles, and one row of numbers for each style.

After Johnson et al. 2016 (feed-forward style transfer), Dumoulin et al. 2017 (conditional instance
normalisation) and Shi et al. 2016 (sub-pixel output). A stage sees and paints cells of pixels. `lite` is
one stage of 4x4 cells, with the work done at 1/4 and 1/8 of the picture's size; `full` adds a stage of
2x2 cells that sees what `lite` painted beside the picture, and corrects it.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

NORM_EPSILON = 1e-5
SIZE_MULTIPLE = 8
# The convolutions fill with zeros at the edge, which paints a frame: so the network gets a wider picture, and
# whoever runs it crops the frame away. Wider borders look no better, and cost.
BORDER_PX = 16


@dataclass(frozen=True)
class Shape:
    """Channel counts and sizes of a stage; two checkpoints fit together only if these are equal.

    Multiples of 16 run fastest: ONNX Runtime lays channels in blocks of 8 or 16.
    """

    stem: int
    width: int
    expansion: int
    blocks: int
    head: int
    # Width and height of a cell, and of what a block sees of its neighbourhood.
    cell_px: int = 4
    spread: int = 5
    # A stage that corrects sees the picture and the painting.
    corrects: bool = False

    @property
    def conditioned(self) -> list[int]:
        """Channels of each style-conditioned layer, in the order in which they run."""
        return [self.width] * (self.blocks + 1)

    @property
    def row_length(self) -> int:
        """Floats of one style: a scale and an offset for each conditioned channel."""
        return 2 * sum(self.conditioned)


LITE = Shape(stem=16, width=64, expansion=96, blocks=5, head=32)
FINER = Shape(stem=32, width=80, expansion=160, blocks=4, head=32, cell_px=2, spread=7, corrects=True)
# The stages of each network, in the order in which they run.
SHAPES = {"lite": (LITE,), "full": (LITE, FINER)}


class Block(nn.Module):
    """Residual block at the smallest size: style norm, depthwise spread, 1x1 wider, ReLU, 1x1 back, add."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.spread = nn.Conv2d(
            shape.width, shape.width, shape.spread, padding=shape.spread // 2, groups=shape.width, bias=False
        )
        self.widen = nn.Conv2d(shape.width, shape.expansion, 1)
        self.narrow = nn.Conv2d(shape.expansion, shape.width, 1)

    def forward(self, x: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        return x + self.narrow(F.relu(self.widen(self.spread(style_norm(x, scale, offset)))))


class Stage(nn.Module):
    """image f32[B,3,H,W] (and before it has painted: f32[B,6,H,W]) and a row of styles -> f32[B,3,H,W]."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.stem = nn.Conv2d(6 if shape.corrects else 3, shape.stem, shape.cell_px, stride=shape.cell_px)
        self.down = nn.Conv2d(shape.stem, shape.width, 2, stride=2)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.blocks))
        self.lateral = nn.Conv2d(shape.width, shape.head, 1)
        joined = shape.head + shape.stem
        self.join_spread = nn.Conv2d(joined, joined, 3, padding=1, groups=joined, bias=False)
        self.join = nn.Conv2d(joined, shape.head, 1)
        # Each cell of pixels is painted from 2x2 cells, two of which the next one shares: that is what
        # lets neighbours meet without a seam, at less than half of what 3x3 costs.
        self.paint_cells = nn.Conv2d(shape.head, 3 * shape.cell_px**2, 2)
        start_without_checkers(self.paint_cells, shape)

    def forward(self, image: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
        *norms, last_norm = split_row(row, self.shape)
        # The way past the blocks: it carries the detail of faces.
        detail = F.relu(self.stem(image))
        x = F.relu(self.down(detail))
        for block, (scale, offset) in zip(self.blocks, norms):
            x = block(x, scale, offset)
        x = self.lateral(style_norm(x, *last_norm))
        x = torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), detail], dim=1)
        x = F.relu(self.join(self.join_spread(x)))
        return F.pixel_shuffle(self.paint_cells(F.pad(x, (0, 1, 0, 1))), self.shape.cell_px)


class Painter(nn.Module):
    """image f32[B,3,H,W] RGB 0..1, H and W multiples of 8, and weights f32[B,N] -> painted f32[B,3,H,W].

    `rows` holds the styles, one number after the other for all stages; the weights mix them, so any blend
    of styles is a style. The painted picture is about 0..1; whoever shows it clamps. Its outer `BORDER_PX`
    are not fit to be seen: `paint` adds and removes them.
    """

    def __init__(self, shapes: tuple[Shape, ...], style_count: int):
        super().__init__()
        self.shapes = shapes
        self.stages = nn.ModuleList(Stage(shape) for shape in shapes)
        self.rows = nn.ParameterList(plain_row(shapes) for _ in range(style_count))

    def forward(self, image: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        mixed = (weights @ torch.stack(list(self.rows))).split([shape.row_length for shape in self.shapes], dim=1)
        painted = self.stages[0](image, mixed[0])
        for stage, row in zip(self.stages[1:], mixed[1:]):
            painted = painted + stage(torch.cat([image, painted], dim=1), row)
        return painted

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


def plain_row(shapes: tuple[Shape, ...]) -> torch.Tensor:
    """The row that a new network starts with: scales 1, offsets 0."""
    layers = [channels for shape in shapes for channels in shape.conditioned]
    return torch.cat([torch.full((channels,), value) for channels in layers for value in (1.0, 0.0)])


def grown(painter: Painter, shapes: tuple[Shape, ...]) -> Painter:
    """A painter of more stages, of which the first ones are those of `painter`: it paints the same until it learns."""
    larger = Painter(shapes, len(painter.rows))
    with torch.no_grad():
        for stage, known in zip(larger.stages, painter.stages):
            stage.load_state_dict(known.state_dict())
        for row, known in zip(larger.rows, painter.rows):
            row[: len(known)] = known
    return larger


def start_without_checkers(paint: nn.Conv2d, shape: Shape) -> None:
    """ICNR (Aitken et al. 2017): all sub-pixels of a colour start with the same weights; a correction starts as none."""
    with torch.no_grad():
        if shape.corrects:
            paint.weight.zero_()
            paint.bias.zero_()
        else:
            first = paint.weight[:: shape.cell_px**2].repeat_interleave(shape.cell_px**2, dim=0)
            paint.weight.copy_(first)
            paint.bias.fill_(0.5)


def one_hot(rows: list[int], style_count: int) -> torch.Tensor:
    """Weights f32[len(rows), style_count] that choose one style for each picture."""
    return F.one_hot(torch.tensor(rows), style_count).float()

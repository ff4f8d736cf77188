"""A trained network made narrower: it keeps the channels that count most, and what reads them is fitted anew.

Layer by layer, as in He et al. 2017 (channel pruning): those channels are left out which the others can best
stand in for, by least squares on photographs in every style. It paints at once almost what the wide network
paints; one that learns from nothing takes hours to come as far.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F

from .data import Photos
from .network import Block, Norm, Painter, Shape, one_hot, split_row, style_norm

PHOTOS_A_STYLE = 3
SIDE_PX = 192
PLACES = 400
# Of a channel's mean square: between channels that say the same, the fit is free to choose small weights.
RIDGE = 1e-4


def can_narrow(shape: Shape, wanted: Shape) -> bool:
    no_wider = wanted.expansion <= shape.expansion and wanted.head <= shape.head
    return no_wider and replace(shape, expansion=wanted.expansion, head=wanted.head) == wanted


@torch.no_grad()
def narrowed(painter: Painter, shape: Shape, photos: Photos) -> Painter:
    """`painter` in a shape that it `can_narrow` to."""
    narrow = Painter(shape, len(painter.rows))
    for name in ("stem", "down", "rows"):
        getattr(narrow, name).load_state_dict(getattr(painter, name).state_dict())
    rows = list(range(len(painter.rows))) * PHOTOS_A_STYLE
    weights = one_hot(rows, len(painter.rows))
    *norms, last_norm = split_row(weights @ torch.stack(list(painter.rows)), shape)
    detail = F.relu(painter.stem(torch.cat([photos.crop(SIDE_PX) for _ in rows])))
    # Behind each layer: what the wide network says, and what the narrow one does. A layer that is fitted to get
    # from the one to the other also makes up for what was lost before it.
    wanted = given = F.relu(painter.down(detail))
    for wide_block, block, norm in zip(painter.blocks, narrow.blocks, norms):
        wanted = wide_block(wanted, *norm)
        narrow_block(wide_block, block, given, norm, wanted)
        given = block(given, *norm)
    narrow_head(painter, narrow, given, last_norm, detail, wanted)
    return narrow


def narrow_block(wide: Block, block: Block, given: torch.Tensor, norm: Norm, wanted: torch.Tensor) -> None:
    widened = F.relu(wide.widen(wide.spread(style_norm(given, *norm))))
    kept, weight, bias = fitted(widened, wanted - given, block.widen.out_channels)
    block.spread.load_state_dict(wide.spread.state_dict())
    block.widen.weight.copy_(wide.widen.weight[kept])
    block.widen.bias.copy_(wide.widen.bias[kept])
    block.narrow.weight.copy_(weight)
    block.narrow.bias.copy_(bias)


def narrow_head(
    wide: Painter, narrow: Painter, given: torch.Tensor, norm: Norm, detail: torch.Tensor, wanted: torch.Tensor
) -> None:
    head = narrow.shape.head
    beside = wide.beside_detail(given, norm, detail)
    wanted_join = wide.join(wide.beside_detail(wanted, norm, detail))
    kept, weight, bias = fitted(beside, wanted_join, head + detail.shape[1], fixed=detail.shape[1])
    narrow.lateral.weight.copy_(wide.lateral.weight[kept[:head]])
    narrow.lateral.bias.copy_(wide.lateral.bias[kept[:head]])
    narrow.join_spread.weight.copy_(wide.join_spread.weight[kept])
    joined = F.conv2d(beside[:, kept], weight, bias)
    cells, cell_weight, cell_bias = fitted(F.pad(F.relu(joined), (0, 1, 0, 1)), wide.cells(wanted_join), head, kernel_px=2)
    narrow.join.weight.copy_(weight[cells])
    narrow.join.bias.copy_(bias[cells])
    narrow.paint_cells.weight.copy_(cell_weight)
    narrow.paint_cells.bias.copy_(cell_bias)


def fitted(
    channels: torch.Tensor, wanted: torch.Tensor, count: int, kernel_px: int = 1, fixed: int = 0
) -> tuple[list[int], torch.Tensor, torch.Tensor]:
    """The `count` of `channels`, f32[B,C,H,W], out of which a convolution can best make `wanted`, f32[B,D,h,w].

    Also the weight, f32[D,count,k,k], and the bias of that convolution. The last `fixed` channels stay, whatever
    they are worth.
    """
    columns, wanted = F.unfold(channels, kernel_px), wanted.flatten(2)
    places = torch.randint(columns.shape[2], (PLACES,))
    seen, told = (each[..., places].transpose(1, 2).flatten(0, 1) for each in (columns, wanted))
    seen_mean, told_mean = seen.mean(0), told.mean(0)
    square = (seen - seen_mean).T @ (seen - seen_mean)
    square += RIDGE * square.diagonal().mean() * torch.eye(len(square))
    product = (seen - seen_mean).T @ (told - told_mean)

    area = kernel_px**2
    kept = list(range(channels.shape[1]))
    while True:
        at = (area * torch.tensor(kept)[:, None] + torch.arange(area)).flatten()
        inverse = torch.linalg.inv(square[at][:, at])
        weight = inverse @ product[at]
        if len(kept) == count:
            break
        # What the error would grow by without each of them, the others fitted anew.
        by_channel = weight.reshape(len(kept), area, -1)
        inverses = inverse.reshape(len(kept), area, len(kept), area).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
        costs = (by_channel * torch.linalg.solve(inverses, by_channel)).sum((1, 2))
        kept.pop(int(costs[: len(kept) - fixed].argmin()))
    bias = told_mean - seen_mean[at] @ weight
    return kept, weight.T.reshape(-1, count, kernel_px, kernel_px), bias

"""A trained network made narrower: it keeps the channels that count most, and what reads them is fitted anew.

Block by block, as in He et al. 2017 (channel pruning): those channels are left out which the others can best
stand in for, by least squares on photographs in every style. It paints at once almost what the wide network
paints; one that learns from nothing takes hours to come as far.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F

from .data import Photos
from .network import Block, Painter, Shape, one_hot, split_row

PHOTOS_A_STYLE = 3
SIDE_PX = 192
PLACES = 400
# Of a channel's mean square: between channels that say the same, the fit is free to choose small weights.
RIDGE = 1e-4


def can_narrow(shape: Shape, wanted: Shape) -> bool:
    return wanted.expansion <= shape.expansion and replace(shape, expansion=wanted.expansion) == wanted


@torch.no_grad()
def narrowed(painter: Painter, shape: Shape, photos: Photos) -> Painter:
    """`painter` in a shape that it `can_narrow` to."""
    narrow = Painter(shape, len(painter.rows))
    for name in ("stem", "down", "lateral", "join_spread", "join", "paint_cells", "rows"):
        getattr(narrow, name).load_state_dict(getattr(painter, name).state_dict())
    rows = list(range(len(painter.rows))) * PHOTOS_A_STYLE
    weights = one_hot(rows, len(painter.rows))
    norms = split_row(weights @ torch.stack(list(painter.rows)), shape)
    # Behind each block: what the wide network says, and what the narrow one does. A block that is fitted to get
    # from the one to the other also makes up for what was lost before it.
    wanted = given = F.relu(painter.down(F.relu(painter.stem(torch.cat([photos.crop(SIDE_PX) for _ in rows])))))
    for wide_block, block, (scale, offset) in zip(painter.blocks, narrow.blocks, norms):
        wanted = wide_block(wanted, scale, offset)
        widened = F.relu(wide_block.widen(wide_block.seen(given, scale, offset)))
        narrow_block(wide_block, block, widened, wanted - given)
        given = block(given, scale, offset)
    return narrow


def narrow_block(wide: Block, block: Block, widened: torch.Tensor, wanted: torch.Tensor) -> None:
    """`block` says with a part of the channels of `widened`, f32[B,C,h,w], nearly what is wanted, f32[B,D,h,w]."""
    kept, weight, bias = fitted(at_places(widened), at_places(wanted), block.widen.out_channels)
    block.spread.load_state_dict(wide.spread.state_dict())
    block.widen.weight.copy_(wide.widen.weight[kept])
    block.widen.bias.copy_(wide.widen.bias[kept])
    block.narrow.weight.copy_(weight.T[:, :, None, None])
    block.narrow.bias.copy_(bias)


def at_places(channels: torch.Tensor) -> torch.Tensor:
    """f32[B,C,h,w] -> f32[N,C] at places that are the same for all channels of a size."""
    columns = channels.flatten(2)
    places = torch.linspace(0, columns.shape[2] - 1, PLACES).long()
    return columns[..., places].transpose(1, 2).flatten(0, 1)


def fitted(seen: torch.Tensor, wanted: torch.Tensor, count: int) -> tuple[list[int], torch.Tensor, torch.Tensor]:
    """The `count` columns of f32[N,C] that can best make up `wanted`, f32[N,D]; their weight f32[count,D] and bias f32[D]."""
    seen_mean, wanted_mean = seen.mean(0), wanted.mean(0)
    square = (seen - seen_mean).T @ (seen - seen_mean)
    square += RIDGE * square.diagonal().mean() * torch.eye(len(square))
    product = (seen - seen_mean).T @ (wanted - wanted_mean)
    kept = list(range(len(square)))
    while True:
        inverse = torch.linalg.inv(square[kept][:, kept])
        weight = inverse @ product[kept]
        if len(kept) == count:
            return kept, weight, wanted_mean - seen_mean[kept] @ weight
        # What the squared error would grow by without each of them, the others fitted anew.
        costs = weight.square().sum(1) / inverse.diagonal()
        kept.pop(int(costs.argmin()))

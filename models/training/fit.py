"""A network that starts from one of another shape: what both have is taken over, and the rest starts anew."""

import torch

from .network import Painter, Shape, split_row


@torch.no_grad()
def fitted(painter: Painter, shape: Shape) -> Painter:
    """A network of `shape` with the layers of `painter` that have the same place and size in it, and as many styles."""
    new = Painter(shape, len(painter.rows))
    own = new.state_dict()
    same = {
        name: tensor for name, tensor in painter.state_dict().items()
        if not name.startswith("rows.") and name in own and own[name].shape == tensor.shape
    }
    new.load_state_dict(same, strict=False)
    for known, row in zip(painter.rows, new.rows):
        known_norms = dict(zip(painter.shape.conditioned, split_row(known[None], painter.shape)))
        for layer, places in zip(shape.conditioned, split_row(row[None], shape)):
            for place, part in zip(places, known_norms.get(layer, ())):
                if place.shape == part.shape:
                    place.copy_(part)
    return new

"""What a good painting is: the photo's content, the painting's style, and nothing that flickers."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from .data import Style, hung, open_painting, to_tensor
from .vgg import Vgg

CONTENT = {"relu2_2": 0.4, "relu3_3": 1.0}
NEAR = STROKES = {"relu1_2": 1.0, "relu2_2": 1.0, "relu3_3": 1.0}
FORMS = {"relu4_3": 1.5}
FAR = STROKES | FORMS
EDGE_CELLS = 2
# Width and height of the grid in which what depends on the place of a pixel is looked for.
GRID_PX = 8
# Smaller steps than this between neighbouring pixels cannot be seen.
LEAST_STEP = 0.5 / 255


@dataclass(frozen=True)
class Weights:
    """How much each loss counts; `style` is the default strength of every painting.

    `forms` multiplies the large forms' part of the style loss while a network learns: two thirds of the loss that a
    network cannot help lies there, and what has the smaller part of the gradient is learnt last.
    """

    content: float = 1.0
    style: float = 3.0
    forms: float = 4.0
    variation: float = 2.0
    grid: float = 1500.0
    seams: float = 1.0
    stability: float = 60.0
    photo: float = 80.0


Features = dict[str, torch.Tensor]
Grams = dict[str, torch.Tensor]


def halved(image: torch.Tensor) -> torch.Tensor:
    """The picture seen from twice as far: half the width and height."""
    return F.avg_pool2d(image, 2)


def gram(features: torch.Tensor) -> torch.Tensor:
    """f32[B,C,H,W] -> f32[B,C,C]: which features occur together, wherever in the picture.

    The outermost cells are left out where there are enough others: they show VGG's zero padding, and a
    network would paint a frame to match it.
    """
    if min(features.shape[2:]) > 4 * EDGE_CELLS:
        features = features[:, :, EDGE_CELLS:-EDGE_CELLS, EDGE_CELLS:-EDGE_CELLS]
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


@dataclass(frozen=True)
class Target:
    """What paintings ask for, seen from near (strokes) and from twice as far (forms): f32[N,C,C] for each layer."""

    near: Grams
    far: Grams

    def of(self, rows: torch.Tensor) -> "Target":
        """What some of the paintings ask for, by their place."""
        return Target(*({layer: gram.index_select(0, rows) for layer, gram in grams.items()} for grams in (self.near, self.far)))


def stacked(targets: list[Target]) -> Target:
    near, far = ({layer: torch.cat([grams[layer] for grams in each]) for layer in each[0]} for each in zip(*((t.near, t.far) for t in targets)))
    return Target(near, far)


def painting_target(vgg: Vgg, image: torch.Tensor) -> Target:
    with torch.no_grad():
        near = {layer: gram(f) for layer, f in vgg(image, last="relu3_3").items()}
        far = {layer: gram(f) for layer, f in vgg(halved(image)).items()}
    return Target(near, far)


def file_target(vgg: Vgg, path: Path, long_side_px: int) -> Target:
    return painting_target(vgg, to_tensor(open_painting(path, long_side_px)))


def style_target(vgg: Vgg, style: Style, folder: Path) -> Target:
    return painting_target(vgg, to_tensor(hung(style, folder)))


def content_loss(features: Features, photo: Features) -> torch.Tensor:
    """f32[B]: squared feature distance, by the photo's mean square; 0 is the photo, 1 is a blank."""

    def distance(painted: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        wanted = wanted.repeat_interleave(len(painted) // len(wanted), dim=0)
        return (painted - wanted).square().mean((1, 2, 3)) / wanted.square().mean((1, 2, 3))

    return sum(weight * distance(features[layer], photo[layer]) for layer, weight in CONTENT.items())


def style_loss(features: Features, target: Grams, layers: dict[str, float]) -> torch.Tensor:
    """f32[B]: squared Gram distance, by the painting's squared norm; 0 is the painting, 1 is a blank."""
    return sum(
        weight * (gram(features[layer]) - target[layer]).square().sum((1, 2)) / target[layer].square().sum((1, 2))
        for layer, weight in layers.items()
    )


def variation_loss(image: torch.Tensor) -> torch.Tensor:
    """Total variation, squared: f32 scalar, small where neighbours are alike."""
    return sum(steps.square().mean() for steps in steps_of(image))


def grid_loss(image: torch.Tensor) -> torch.Tensor:
    """How far the mean step from pixel to pixel depends on where in the network's 8x8 grid it lies: f32 scalar.

    A picture has no such grid (0.000006 in photographs of 288 pixels, 0 in a smooth gradient); a network that
    paints with blocks of pixels can have one, and it shows as a mesh.
    """
    return sum(by_place(steps).mean(dim=1).var(dim=(2, 3)).mean() for steps in steps_of(image))


def seam_loss(image: torch.Tensor) -> torch.Tensor:
    """How unevenly the size of these steps is spread over the grid: f32 scalar, relative; 0 if evenly.

    Photographs have about 0.01. A network that paints in cells has its larger steps between cells, and slanting edges
    look like stairs (the blocking effect of Wang, Sheikh and Bovik 2002).
    """
    uneven = image.new_zeros(())
    for across, steps in enumerate(steps_of(image)):
        energy = by_place(steps.square()).mean(dim=(1, 2, 4 - across))
        uneven = uneven + (energy / (energy.mean(dim=1, keepdim=True) + LEAST_STEP**2)).var(dim=1).mean()
    return uneven


def steps_of(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """f32[B,C,H,W] -> the differences to the pixel below and to the pixel on the right."""
    return image.diff(dim=2), image.diff(dim=3)


def by_place(values: torch.Tensor) -> torch.Tensor:
    """f32[B,C,H,W] -> f32[B,cells,C,8,8]: the values of whole cells of the grid."""
    high, wide = (side // GRID_PX for side in values.shape[2:])
    cells = values[:, :, : high * GRID_PX, : wide * GRID_PX].unflatten(3, (wide, -1)).unflatten(2, (high, -1))
    return cells.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)


@dataclass(frozen=True)
class Content:
    """What a photo asks for: its features from near, and from twice as far."""

    near: Features
    far: Features


def photo_content(vgg: Vgg, photo: torch.Tensor) -> Content:
    """photo f32[P,3,H,W]."""
    with torch.no_grad():
        return Content(vgg(photo, last="relu3_3"), vgg(halved(photo), last="relu3_3"))


@dataclass(frozen=True)
class Seen:
    """The losses of painted pictures, f32[B] each; `forms` is the part of `style` that lies in the large forms."""

    content: torch.Tensor
    style: torch.Tensor
    forms: torch.Tensor


def perceptual_losses(vgg: Vgg, painted: torch.Tensor, photo: Content, target: Target) -> Seen:
    """painted f32[B,3,H,W] of one photo or of several, as many pictures of each, seen whole at full and at half size.

    Whole, because a small window that has to have the statistics of the whole painting gets the same small
    forms as the next one.
    """
    near = vgg(painted, last="relu3_3")
    far = vgg(halved(painted))
    content = (content_loss(near, photo.near) + content_loss(far, photo.far)) / 2
    forms = style_loss(far, target.far, FORMS) / 2
    style = (style_loss(near, target.near, NEAR) + style_loss(far, target.far, STROKES)) / 2 + forms
    return Seen(content, style, forms)

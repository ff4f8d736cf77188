"""Whether the painting's colours and contrast come through: two measures that no network is trained with."""

import torch
import torch.nn.functional as F

DIRECTIONS, QUANTILES = 64, 256
WINDOW_PX = 16
# Of sRGB's primaries, to XYZ relative to D65's white.
TO_XYZ = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = TO_XYZ.sum(1, keepdim=True)


def lab(image: torch.Tensor) -> torch.Tensor:
    """f32[1,3,H,W], sRGB 0..1 -> CIELAB f32[3,H*W]: lightness 0..100, green to red, blue to yellow."""
    flat = image[0].flatten(1)
    linear = torch.where(flat <= 0.04045, flat / 12.92, ((flat + 0.055) / 1.055) ** 2.4)
    x, y, z = (response(part) for part in TO_XYZ @ linear / WHITE)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def response(part: torch.Tensor) -> torch.Tensor:
    return torch.where(part > 216 / 24389, part.clamp(min=0) ** (1 / 3), (24389 / 27 * part + 16) / 116)


def distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """How far the one picture's colours have to move to be the other's: the sliced Wasserstein distance in CIELAB.

    About 2 can just be seen, if all colours move the same way.
    """
    along = F.normalize(torch.randn(DIRECTIONS, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    at = torch.linspace(0, 1, QUANTILES)
    sorted_by = [quantiles(along @ lab(image), at) for image in (first, second)]
    return (sorted_by[0] - sorted_by[1]).abs().mean().item()


def quantiles(values: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """f32[D,N] -> f32[D,Q]."""
    ordered = values.sort(dim=1).values
    return ordered[:, (at * (ordered.shape[1] - 1)).round().long()]


def local_contrast(image: torch.Tensor) -> float:
    """The mean standard deviation of the lightness in windows of 16x16 pixels, 0 to 50."""
    lightness = lab(image)[0].reshape(1, 1, *image.shape[2:])
    windows = F.unfold(lightness, WINDOW_PX, stride=WINDOW_PX)
    return windows.std(dim=1).mean().item()

"""What a network knows of a picture's edges: a frame around an even picture, and one side painted more than another."""

import numpy as np
from PIL import Image

from .networks import Network, open_network

SIZE = (640, 360)
GREY = 0.5
# What lies further inside is the middle: no network of ours sees an edge from there.
MIDDLE_PX = 128
# A soft picture with little noise, for what is painted at its sides.
SOFT_SPOTS = (6, 9)
NOISE = 2.5 / 255
BLOCK_PX = 8
# Of the width and of the height that are a side.
SIDE_PART = 1 / 8


def measure(networks: list[str]) -> None:
    """Prints a line a network: the largest frame of a style, in levels of 255, and how unlike its sides are, mean and largest."""
    print("| network | frame | unlike sides: mean | largest |\n|---|---|---|---|")
    for text in networks:
        network = open_network(text)
        frames, leans = zip(*((frame_of(network, style), lean_of(network, style)) for style in range(network.style_count)))
        print(f"| {network.name} | {max(frames):.1f} | {sum(leans) / len(leans):.2f} | {max(leans):.2f} |", flush=True)


def frame_of(network: Network, style: int) -> float:
    """The largest difference from the middle's mean colour, beyond what the middle itself has of it; 0 to 255."""
    width, height = SIZE
    painted = network.paint(np.full((1, 3, height, width), GREY, np.float32), style)
    middle = painted[:, :, MIDDLE_PX:-MIDDLE_PX, MIDDLE_PX:-MIDDLE_PX]
    mean = middle.mean(axis=(2, 3), keepdims=True)
    return 255 * float(np.abs(painted - mean).max() - np.abs(middle - mean).max())


def lean_of(network: Network, style: int) -> float:
    """How much more of a soft picture is painted at one side than at the opposite one: a ratio of local contrasts, 1 if alike.

    The picture is painted upright and turned by half, so that what is in it does not count.
    """
    soft = soft_picture()
    contrast = sum(local_contrast(network.paint(np.ascontiguousarray(picture), style)) for picture in (soft, soft[:, :, ::-1, ::-1]))
    high, wide = (max(1, round(side * SIDE_PART)) for side in contrast.shape)
    opposite = [(contrast[:, :wide], contrast[:, -wide:]), (contrast[:high], contrast[-high:])]
    return max(max(one.mean() / other.mean(), other.mean() / one.mean()) for one, other in opposite)


def soft_picture() -> np.ndarray:
    random = np.random.default_rng(0)
    spots = Image.fromarray(random.integers(64, 192, (*SOFT_SPOTS, 3), np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
    soft = np.asarray(spots, np.float32).transpose(2, 0, 1)[None] / 255
    return soft + NOISE * random.standard_normal(soft.shape, np.float32)


def local_contrast(picture: np.ndarray) -> np.ndarray:
    """f32[1,3,H,W] -> f32[H/8,W/8]: the deviation of the light within each block."""
    light = picture[0].mean(axis=0)
    high, wide = (side // BLOCK_PX for side in light.shape)
    blocks = light[: high * BLOCK_PX, : wide * BLOCK_PX].reshape(high, BLOCK_PX, wide, BLOCK_PX)
    return blocks.std(axis=(1, 3))

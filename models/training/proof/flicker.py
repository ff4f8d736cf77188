"""What should not be in a painting: movement that the picture does not have, and the network's grid of pixels."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from .. import gatys, losses
from ..data import open_rgb, to_tensor
from ..problems import Problem
from ..vgg import Vgg
from .networks import Network, open_network

NOISE = 2 / 255
FLOW_MAGIC = 202021.25
UNKNOWN_FLOW_PX = 1e8
OCCLUDED = 10 / 255


def measure(
    networks: list[str], stills: list[Path], pairs: list[Path], styles: list[int],
    eye: Vgg | None = None, target: losses.Target | None = None,
) -> None:
    """Prints a table in units of 1/255.

    noise: mean change between two paintings of one still with fresh sensor noise (sigma 2/255).
    warp: mean change along the true flow of a pair, where the pair itself agrees within 10/255.
    texture: mean difference between neighbouring pixels: a blank picture would not flicker either.
    mesh: standard deviation of the steps between pixels over their place in an 8x8 grid, in the mean of a picture.
    stairs: how unevenly the size of the steps is spread over the grid; a ratio (`losses.seam_loss`).
    content, style: the losses beside the still and a painting; only with the painting as `target`.
    """
    pictures = [image_of(path) for path in stills]
    moving = [pair(folder) for folder in pairs]
    judges = [gatys.Judge(eye, torch.from_numpy(picture), target, losses.Weights()) for picture in pictures] if target else []
    columns = ["network", "row", "noise", "warp", "texture", "noise / texture", "warp / texture", "mesh", "stairs"]
    columns += ["content", "style"] if judges else []
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for text in networks:
        network = open_network(text)
        for style in styles if network.style_input else [0]:
            if style >= network.style_count:
                raise Problem(f"{network.name} has {network.style_count} styles: there is no row {style}")
            noise = 255 * np.mean([noise_change(network, style, image) for image in pictures])
            warp = 255 * np.mean([warp_change(network, style, *each) for each in moving]) if moving else float("nan")
            painted = [torch.from_numpy(network.paint(image, style)) for image in pictures]
            texture = 255 * np.mean([texture_of(image.numpy()) for image in painted])
            mesh = 255 * np.mean([losses.grid_loss(image).sqrt().item() for image in painted])
            stairs = np.mean([losses.seam_loss(image).item() for image in painted])
            figures = f"{noise:.2f} | {warp:.2f} | {texture:.2f} | {noise / texture:.3f} | {warp / texture:.3f} | {mesh:.2f} | {stairs:.2f}"
            if judges:
                figures += " | {:.2f} | {:.2f}".format(*gatys.mean_losses(judges, painted))
            print(f"| {network.name} | {style} | {figures} |", flush=True)


def image_of(path: Path) -> np.ndarray:
    """f32[1,3,H,W], cut at the right and bottom to sizes that every network takes."""
    image = to_tensor(open_rgb(path)).numpy()
    height, width = (side // losses.GRID_PX * losses.GRID_PX for side in image.shape[2:])
    return np.ascontiguousarray(image[:, :, :height, :width])


def pair(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two frames and the flow f32[H,W,2] in pixels from the first to the second (Middlebury's files)."""
    first, second = (image_of(folder / f"frame{number}.png") for number in (10, 11))
    files = list(folder.glob("*.flo"))
    if not files:
        raise Problem(f"{folder} has no flow file (.flo)")
    return first, second, read_flow(files[0])[: first.shape[2], : first.shape[3]]


def read_flow(path: Path) -> np.ndarray:
    data = path.read_bytes()
    magic = np.frombuffer(data[:4], np.float32)[0] if len(data) >= 12 else 0
    width, height = np.frombuffer(data[4:12], np.int32) if len(data) >= 12 else (0, 0)
    if magic != FLOW_MAGIC or len(data) != 12 + 8 * width * height:
        raise Problem(f"{path} is no flow file")
    return np.frombuffer(data[12:], np.float32).reshape(height, width, 2)


def noise_change(network: Network, style: int, image: np.ndarray) -> float:
    random = np.random.default_rng(0)
    first, second = (
        network.paint(np.clip(image + NOISE * random.standard_normal(image.shape, np.float32), 0, 1), style)
        for _ in range(2)
    )
    return float(np.abs(first - second).mean())


def warp_change(network: Network, style: int, first: np.ndarray, second: np.ndarray, flow: np.ndarray) -> float:
    seen, inside = look_along(second, flow)
    same = inside & (np.abs(seen - first).max(axis=(0, 1)) < OCCLUDED)
    painted_seen, _ = look_along(network.paint(second, style), flow)
    return float(np.abs(painted_seen - network.paint(first, style))[:, :, same].mean())


def look_along(image: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The second frame as seen from the first (bilinear), and where that is known, bool[H,W]."""
    height, width = flow.shape[:2]
    x = np.arange(width)[None, :] + flow[:, :, 0]
    y = np.arange(height)[:, None] + flow[:, :, 1]
    inside = (np.abs(flow).max(axis=2) < UNKNOWN_FLOW_PX) & (x >= 0) & (y >= 0) & (x < width - 1) & (y < height - 1)
    x, y = np.where(inside, x, 0), np.where(inside, y, 0)
    left, top = x.astype(np.int64), y.astype(np.int64)
    right_part, down_part = (x - left).astype(np.float32), (y - top).astype(np.float32)
    upper = image[..., top, left] * (1 - right_part) + image[..., top, left + 1] * right_part
    lower = image[..., top + 1, left] * (1 - right_part) + image[..., top + 1, left + 1] * right_part
    return upper * (1 - down_part) + lower * down_part, inside


def texture_of(image: np.ndarray) -> float:
    return float((np.abs(np.diff(image, axis=2)).mean() + np.abs(np.diff(image, axis=3)).mean()) / 2)


def folders_of(path: Path) -> Iterator[Path]:
    """The folders below `path` that hold a pair of frames."""
    return (frame.parent for frame in sorted(path.glob("**/frame10.png")))

"""The painted frame: how much an even picture differs at its edge from its middle, though it is the same everywhere."""

import numpy as np

from .networks import Network, open_network

SIZE = (640, 360)
GREY = 0.5
# What lies further inside is the middle: no network of ours sees an edge from there.
MIDDLE_PX = 128


def measure(networks: list[str]) -> None:
    """Prints a line a network: the frame of each style, in levels of 255, and the largest."""
    print("| network | largest | each style |\n|---|---|---|")
    for text in networks:
        network = open_network(text)
        frames = [frame_of(network, style) for style in range(network.style_count)]
        print(f"| {network.name} | {max(frames):.1f} | {', '.join(f'{frame:.0f}' for frame in frames)} |", flush=True)


def frame_of(network: Network, style: int) -> float:
    """The largest difference from the middle's mean colour, beyond what the middle itself has of it; 0 to 255."""
    width, height = SIZE
    painted = network.paint(np.full((1, 3, height, width), GREY, np.float32), style)
    middle = painted[:, :, MIDDLE_PX:-MIDDLE_PX, MIDDLE_PX:-MIDDLE_PX]
    mean = middle.mean(axis=(2, 3), keepdims=True)
    return 255 * float(np.abs(painted - mean).max() - np.abs(middle - mean).max())

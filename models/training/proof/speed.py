"""Milliseconds a frame of several networks, taken in turns, so that a busy machine slows all alike."""

import statistics
import time

import numpy as np

from .networks import open_network

SIZES = [(640, 360), (1280, 720), (1920, 1080)]


def measure(networks: list[str], threads: list[int], rounds: int, seconds: float) -> None:
    """Prints a table; the first network is the one that the others are compared with.

    Every network gets a turn in every round: as many frames as fit into `seconds`, at least one.
    """
    print("| threads | size | network | fastest ms | median ms | times faster than the first |")
    print("|---|---|---|---|---|---|")
    for count in threads:
        opened = [open_network(text, count) for text in networks]
        for width, height in SIZES:
            image = np.random.default_rng(0).random((1, 3, height, width), np.float32)
            taken = [[] for _ in opened]
            for _ in range(rounds):
                for network, times in zip(opened, taken):
                    feed = network.feed(image, 0)
                    end = time.perf_counter() + seconds
                    while True:
                        began = time.perf_counter()
                        network.runtime.run(None, feed)
                        times.append(1000 * (time.perf_counter() - began))
                        if time.perf_counter() > end:
                            break
            first = min(taken[0])
            for network, times in zip(opened, taken):
                print(f"| {count} | {width}x{height} | {network.name} | {min(times):.1f} | {statistics.median(times):.1f} | {first / min(times):.1f} |", flush=True)

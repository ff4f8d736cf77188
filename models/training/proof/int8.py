"""What is lost and gained with weights and pictures in eight bits: networks quantised by ONNX Runtime, beside themselves."""

import contextlib
import random
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static
from PIL import ImageOps

from ..data import open_rgb
from ..problems import Problem
from .card import psnr
from .networks import Network, open_network

# What the ranges of the tensors are taken from: photographs in a style each, of this width and height.
CALIBRATED_WITH, CALIBRATED_SIZE = 32, (640, 360)
SIZE = (1280, 720)


def measure(network: Path, photos: Path, pictures: list[Path], styles: list[int], method: str, rounds: int, folder: Path) -> None:
    """Writes the quantised networks into `folder`, with the ranges of `photos`, and prints a line for each: PSNR to the network
    itself over all pictures in all styles, and how many times as fast it is on one thread of the CPU provider (the median of
    the ratios of pictures painted one after the other, in time of the processor).
    """
    exact = open_network(str(network), 1)
    print("| convolutions in eight bits | PSNR, dB: mean | least | times as fast |\n|---|---|---|---|")
    for name, left in ways(network).items():
        quantised = quantise(network, exact, left, photos, styles, method, folder / f"{network.stem}-{name.replace(' ', '-')}.onnx")
        told = []
        for image in (picture_of(path, SIZE) for path in pictures):
            told += [psnr(quantised.paint(image, style), exact.paint(image, style)) for style in styles]
        ratio = times_as_fast(quantised, exact, picture_of(pictures[0], SIZE), rounds)
        print(f"| {name} | {statistics.mean(told):.1f} | {min(told):.1f} | {ratio:.2f} |", flush=True)


def ways(network: Path) -> dict[str, list[str]]:
    """Which convolutions are left as they are."""
    convs = [node for node in onnx.load(network).graph.node if node.op_type == "Conv"]
    ends = [convs[0].name, convs[-1].name]
    depthwise = [node.name for node in convs if any(each.name == "group" and each.i > 1 for each in node.attribute)]
    return {"all": [], "all but the first and the last": ends, "nor depthwise ones": ends + depthwise}


def quantise(
    network: Path, exact: Network, left: list[str], photos: Path, styles: list[int], method: str, path: Path
) -> Network:
    files = sorted(each for each in photos.iterdir() if each.suffix in (".jpg", ".png"))
    if not files:
        raise Problem(f"there are no photographs in {photos}")
    drawn = random.Random(0).sample(files, min(CALIBRATED_WITH, len(files)))
    feeds = (exact.feed(picture_of(each, CALIBRATED_SIZE), styles[number % len(styles)]) for number, each in enumerate(drawn))
    # It tells on standard output how far it is.
    with contextlib.redirect_stdout(sys.stderr):
        quantize_static(
            str(network), str(path), Feeds(feeds), op_types_to_quantize=["Conv"], nodes_to_exclude=left, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod[method],
        )
    shutil.copy(network.with_suffix(".toml"), path.with_suffix(".toml"))
    return open_network(str(path), 1)


class Feeds(CalibrationDataReader):
    def __init__(self, feeds: Iterator[dict[str, np.ndarray]]):
        self.feeds = feeds

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.feeds, None)


def picture_of(path: Path, size: tuple[int, int]) -> np.ndarray:
    """f32[1,3,H,W], cropped to these proportions."""
    return np.asarray(ImageOps.fit(open_rgb(path), size), np.float32).transpose(2, 0, 1)[None] / 255


def times_as_fast(quantised: Network, exact: Network, image: np.ndarray, rounds: int) -> float:
    ratios = []
    for number in range(rounds):
        pair = (exact, quantised) if number % 2 else (quantised, exact)
        taken = {network.name: processor_seconds(network, image) for network in pair}
        ratios.append(taken[exact.name] / taken[quantised.name])
    return statistics.median(ratios)


def processor_seconds(network: Network, image: np.ndarray) -> float:
    feed = network.feed(image, 0)
    began = time.process_time()
    network.runtime.run(None, feed)
    return time.process_time() - began

"""What the tests share: a small network, an eye of random weights, and folders of made-up pictures."""

import numpy as np
import pytest
import torch
from PIL import Image

from .. import vgg
from ..checkpoint import PHOTO, Lesson, Trained
from ..data import Style
from ..network import SHAPES, Painter


def random_painter(shape):
    """Three random styles: rows that differ, so that a mixed-up row shows."""
    torch.manual_seed(0)
    painter = Painter(shape, 3)
    with torch.no_grad():
        for row in painter.rows:
            row.add_(0.3 * torch.randn_like(row))
    return painter


@pytest.fixture
def lite():
    lessons = [Lesson(PHOTO, None, 5)] + [Lesson(name, style(name), 5, 0.5, 0.25) for name in ("waves", "dots")]
    return Trained("lite", random_painter(SHAPES["lite"]), lessons)


def style(name):
    return Style(name, name.title(), "Nobody", "1900", f"{name}.png", long_side_px=160)


def vgg_weights():
    random = np.random.default_rng(0)
    weights = {}
    for name, channels_in, channels_out in zip(vgg.LAYERS, vgg.CHANNELS, vgg.CHANNELS[1:]):
        spread = (2 / (9 * channels_in)) ** 0.5
        weights[f"{name}.weight"] = (spread * random.standard_normal((channels_out, channels_in, 3, 3))).astype(np.float16)
        weights[f"{name}.bias"] = np.zeros(channels_out, np.float16)
    return weights


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg") / "random.npz"
    np.savez(path, **vgg_weights())
    return path


@pytest.fixture(scope="session")
def eye(vgg_file):
    return vgg.load(vgg_file)


def picture(width, height, seed=0):
    small = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number in range(3):
        picture(320, 300, number).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def painting(tmp_path_factory):
    path = tmp_path_factory.mktemp("paintings") / "stripes.png"
    picture(200, 160, 9).save(path)
    return path

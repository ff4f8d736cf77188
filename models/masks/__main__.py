"""Installs the network that finds people: MediaPipe's selfie segmentation (Apache-2.0), out of its wheel, as ONNX.

    python -m models.masks mediapipe-0.10.14-*.whl FOLDER
"""

import hashlib
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from .convert import convert

# The one for pictures that are wider than high: 256x144.
NETWORK = "mediapipe/modules/selfie_segmentation/selfie_segmentation_landscape.tflite"
LICENCE = "mediapipe-0.10.14.dist-info/LICENSE"
SIZE = (256, 144)

# What MediaPipe itself finds in a photograph of Eileen Collins: how sure it is of each 16x16 places, in percent.
PHOTO = Path(__file__).parents[1] / "showcase/astronaut.jpg"
KNOWN = """
      0   0   0   0   0  29  65  72  50   4   0   0   0   0   0   0
      0   0   0   0  17  99 100 100 100  36   0   0   0   0   0   0
     18  27   6   0  18  66 100 100  47   1   0   0   0   0   0   0
     39  32  11  50  98 100 100 100  70  12   0   0   0   0   0   0
     21  23  91 100 100 100 100 100 100  92  45   0   0   0   3   1
     26  87 100 100 100 100 100 100 100 100 100  45  42  52  49  25
     34 100 100 100 100 100 100 100 100 100 100  85  76  73  58  29
     79 100 100 100 100 100 100 100 100 100  97  86  98  59  78  53
     73 100 100  98 100 100 100 100 100 100 100  99  98  59  85  67
"""
# JPEG decoders differ by a level or two.
TOLERANCE = 3

MANIFEST = """\
kind = "mask"
name = "selfie"
title = "People (MediaPipe selfie segmentation, landscape)"
file = "selfie.onnx"
sha256 = "{sha256}"
licence = "Apache-2.0"
source = "mediapipe 0.10.14 on PyPI, selfie_segmentation_landscape.tflite, by Google; converted to ONNX"

[input]
name = "image"
range = [0, 1]
size = {{ fixed = [256, 144] }}

[output]
name = "mask"
channels = "gray"
range = [0, 1]
"""


def verify(network: bytes):
    """Looks for a person in a photograph of one."""
    photo = np.asarray(Image.open(PHOTO).convert("RGB").resize(SIZE, Image.Resampling.BILINEAR), np.float32) / 255
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    [mask] = session.run(None, {"image": photo.transpose(2, 0, 1)[None]})
    known = np.array([row.split() for row in KNOWN.strip().splitlines()], np.float32)
    found = mask.reshape(9, 16, 16, 16).mean((1, 3)) * 100
    if (apart := np.abs(found - known).max()) > TOLERANCE:
        raise SystemExit(f"the converted network finds something else than MediaPipe does: {apart:.1f} percent apart")


def install(wheel: Path, folder: Path):
    with zipfile.ZipFile(wheel) as files:
        network = convert(files.read(NETWORK)).SerializeToString()
        licence = files.read(LICENCE)
    verify(network)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "LICENSE").write_bytes(licence)
    (folder / "selfie.onnx").write_bytes(network)
    # Last: who reads it finds the rest.
    (folder / "selfie.toml").write_text(MANIFEST.format(sha256=hashlib.sha256(network).hexdigest()))


if __name__ == "__main__":
    install(*map(Path, sys.argv[1:]))

"""The pack: photographs made small, the paintings, VGG16 and the checkpoints, in a folder that travels with the recipe."""

import io
import random
import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .. import checkpoint
from ..data import Photos, open_painting, open_rgb, read_styles
from ..network import SHAPES
from ..problems import Problem
from ..vgg import LAYERS, TORCHVISION_INDEX, load

# With VGG16, the paintings and the repository itself, 64 MiB are not full.
PHOTOS_BYTES = 19_000_000
# A frame of a camera; photographs that are smaller stay as they are.
PHOTO_SHORT_PX = 720
PHOTO_QUALITY = 68
PAINTING_LONG_PX = 1024
PAINTING_QUALITY = 92
VGG = "vgg16"


def pack(folder: Path, photos: list[Path], paintings: Path, styles: Path, vgg: Path) -> None:
    """Fills `folder`, whatever was in it; the photographs are drawn by chance until there is no more room."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("photos", "paintings"):
        (folder / name).mkdir(parents=True)
    count = sum(pack_photos(Photos(each, seed=1).paths, folder / "photos", PHOTOS_BYTES // len(photos)) for each in photos)
    for style in read_styles(styles):
        picture = open_painting(paintings / style.file, max(PAINTING_LONG_PX, style.long_side_px))
        picture.save(folder / "paintings" / style.file, quality=PAINTING_QUALITY)
    pack_vgg(vgg, (folder / VGG).with_suffix(vgg.suffix))
    for network in SHAPES:
        shutil.copy(checkpoint.shipped(network), folder / f"{network}.pt")
    size = sum(path.stat().st_size for path in folder.glob("**/*") if path.is_file())
    print(f"{folder}: {count} photographs and what else a run needs, {size / 1e6:.1f} MB")


def pack_photos(paths: list[Path], folder: Path, room_bytes: int) -> int:
    random.Random(1).shuffle(paths)
    count, left = 0, room_bytes
    for path in paths:
        try:
            data = small(open_rgb(path))
        except Problem:
            continue
        left -= len(data)
        if left < 0:
            break
        (folder / f"{path.stem}.webp").write_bytes(data)
        count += 1
    return count


def small(picture: Image.Image) -> bytes:
    """No photograph is made larger."""
    scale = min(1.0, PHOTO_SHORT_PX / min(picture.size))
    shrunk = picture.resize([round(side * scale) for side in picture.size], Image.Resampling.LANCZOS)
    data = io.BytesIO()
    shrunk.save(data, "WEBP", quality=PHOTO_QUALITY)
    return data.getvalue()


def pack_vgg(source: Path, target: Path) -> None:
    """The layers that the losses see, in half as many bytes; Caffe's and torchvision's weights each stay what they are."""
    load(source)
    if source.suffix == ".npz":
        with np.load(source) as arrays:
            np.savez(target, **{name: arrays[name].astype(np.float16) for name in arrays.files if name.rpartition(".")[0] in LAYERS})
    else:
        state = torch.load(source, map_location="cpu", weights_only=True)
        seen = {f"features.{index}.{part}" for index in TORCHVISION_INDEX for part in ("weight", "bias")}
        torch.save({name: state[name].half() for name in seen}, target)

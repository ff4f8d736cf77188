"""Pictures in: photographs to paint on, paintings to learn from, and the list of styles."""

import random
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter, ImageOps

from .problems import Problem

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
SMALLEST_PAINTING_PX = 128
LARGEST_ZOOM = 1.6
# A photograph that would have to be stretched further than this is blurred: half the time four of them make a wall instead.
LARGEST_STRETCH = 1.25
# Paper becomes white and ink black.
INK_CUTOFF_PERCENT = 3
# The end of the names of styles that are taught a second time, with strokes twice as large.
LARGE = "/large"
LARGE_TIMES = 2
# Of a painting that is enlarged, so that its strokes keep their edges.
SHARPENED_PERCENT = 100
MOST_PIXELS = 200_000_000
Image.MAX_IMAGE_PIXELS = MOST_PIXELS


@dataclass(frozen=True)
class Style:
    """A painting and how it is taught; `name` is its name in the manifest."""

    name: str
    title: str
    artist: str
    year: str
    file: str
    long_side_px: int = 768
    strength: float = 1.0
    licence: str = "public domain painting"
    # Whether it is taught in black and white.
    ink: bool = False


def read_styles(path: Path) -> list[Style]:
    try:
        entries = tomllib.loads(path.read_text())["style"]
        styles = [Style(**entry) for entry in entries]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise Problem(f"cannot read the list of styles {path}: {error}") from error
    names = [style.name for style in styles]
    if len(set(names)) < len(names):
        raise Problem(f"{path}: two styles have the same name")
    return styles


def in_both_sizes(styles: list[Style]) -> list[Style]:
    """Each style with small strokes, as the list has it, and behind them all each with large ones."""
    large = [replace(style, name=style.name + LARGE, long_side_px=LARGE_TIMES * style.long_side_px) for style in styles]
    return [*styles, *large]


def open_rgb(path: Path) -> Image.Image:
    """Any picture that Pillow reads, upright and in 8-bit RGB; alpha is laid on white."""
    try:
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened)
            picture.load()
    except Exception as error:
        raise Problem(f"cannot read the picture {path}: {error}") from error
    if picture.mode.startswith(("I", "F")):
        # 16-bit and float grey: Pillow's own conversion would cut everything above 255.
        values = np.asarray(picture, dtype=np.float64)
        top = 65535.0 if values.max() > 255 else 255.0 if values.max() > 1 else 1.0
        picture = Image.fromarray(np.uint8(np.clip(values / top, 0, 1) * 255 + 0.5))
    if "A" in picture.getbands() or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert("RGB")


def open_painting(path: Path, long_side_px: int) -> Image.Image:
    picture = open_rgb(path)
    if min(picture.size) < SMALLEST_PAINTING_PX:
        raise Problem(f"{path} is {picture.width}x{picture.height}: a painting needs {SMALLEST_PAINTING_PX} pixels a side to show its strokes")
    scale = long_side_px / max(picture.size)
    size = [max(SMALLEST_PAINTING_PX, round(side * scale)) for side in picture.size]
    resized = picture.resize(size, Image.Resampling.LANCZOS)
    return resized.filter(ImageFilter.UnsharpMask(scale, SHARPENED_PERCENT, threshold=0)) if scale > 1 else resized


def hung(style: Style, folder: Path) -> Image.Image:
    """A style's painting as it is taught: in its size, and as a print in ink if it is one."""
    picture = open_painting(folder / style.file, style.long_side_px)
    return ImageOps.autocontrast(picture.convert("L"), cutoff=INK_CUTOFF_PERCENT).convert("RGB") if style.ink else picture


def to_tensor(picture: Image.Image) -> torch.Tensor:
    """RGB picture -> f32[1,3,H,W], 0..1."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float().div(255)[None]


def to_picture(image: torch.Tensor) -> Image.Image:
    """f32[1,3,H,W] or f32[3,H,W], clamped to 0..1 -> RGB picture."""
    values = image.detach().reshape(image.shape[-3:]).clamp(0, 1).mul(255).round().byte()
    return Image.fromarray(values.permute(1, 2, 0).cpu().numpy())


class Crops:
    """Endless random squares of photographs; `held` finds one, and `cut` cuts a window of it and scales it."""

    random: random.Random

    def crop(self, crop_px: int) -> torch.Tensor:
        """f32[1,3,crop_px,crop_px]: scaled by chance, so that faces come small and large."""
        picture, width, height = self.held()
        if crop_px > LARGEST_STRETCH * min(width, height) and self.random.random() < 0.5:
            return self._wall(crop_px)
        crop = self.cut(picture, window(self.random, width, height, crop_px), crop_px)
        return crop.flip(3) if self.random.random() < 0.5 else crop

    def _wall(self, crop_px: int) -> torch.Tensor:
        """Four squares side by side: as large as a frame of a camera, and as sharp."""
        top, bottom = (torch.cat([self.crop(-(-crop_px // 2)) for _ in range(2)], dim=3) for _ in range(2))
        return torch.cat([top, bottom], dim=2)[:, :, :crop_px, :crop_px]


class Photos(Crops):
    """Of a folder's photographs; broken files are named once and left out."""

    def __init__(self, folder: Path, seed: int):
        self.random = random.Random(seed)
        self.paths = sorted(p for p in folder.glob("**/*") if p.suffix.lower() in SUFFIXES)
        if not self.paths:
            raise Problem(f"no photographs in {folder} (looked for {', '.join(sorted(SUFFIXES))})")
        self.folder = folder

    def held(self) -> tuple[Image.Image, int, int]:
        while self.paths:
            path = self.random.choice(self.paths)
            try:
                picture = open_rgb(path)
                return picture, *picture.size
            except Problem as problem:
                print(f"left out: {problem}", file=sys.stderr)
                self.paths.remove(path)
        raise Problem(f"every photograph in {self.folder} is broken")

    def cut(self, picture: Image.Image, box: tuple[float, float, float, float], crop_px: int) -> torch.Tensor:
        return to_tensor(picture.resize((crop_px, crop_px), Image.Resampling.BICUBIC, box=box))


class HeldPhotos(Crops):
    """The same from the memory of a card: every photograph is decoded once, and cropped and scaled there.

    Large ones are drawn more often: there is more to see in them.
    """

    def __init__(self, photos: Photos, device: str):
        self.random, self.device = photos.random, device
        with ThreadPoolExecutor() as pool:
            self.pictures = [picture for picture in pool.map(self._sent, photos.paths) if picture is not None]
        if not self.pictures:
            raise Problem(f"every photograph in {photos.folder} is broken")
        self.areas = list(accumulate(picture[0].numel() for picture in self.pictures))

    def held(self) -> tuple[torch.Tensor, int, int]:
        [picture] = self.random.choices(self.pictures, cum_weights=self.areas)
        return picture, picture.shape[2], picture.shape[1]

    def cut(self, picture: torch.Tensor, box: tuple[float, float, float, float], crop_px: int) -> torch.Tensor:
        left, top, right, bottom = (round(side) for side in box)
        values = picture[None, :, top:bottom, left:right].float().div(255)
        return F.interpolate(values, (crop_px, crop_px), mode="bicubic", antialias=True).clamp(0, 1)

    def _sent(self, path: Path) -> torch.Tensor | None:
        try:
            return torch.from_numpy(np.array(open_rgb(path))).permute(2, 0, 1).contiguous().to(self.device)
        except Problem as problem:
            print(f"left out: {problem}", file=sys.stderr)
            return None


def window(random: random.Random, width: int, height: int, crop_px: int) -> tuple[float, float, float, float]:
    """A random square of a photograph, from all that fits to its pixels as they are: left, top, right, bottom."""
    whole = min(width, height)
    side = whole / random.uniform(1.0, max(LARGEST_ZOOM, whole / crop_px))
    left, top = random.uniform(0, width - side), random.uniform(0, height - side)
    return left, top, left + side, top + side

"""Pictures to look at: what a trained network paints, side by side."""

from pathlib import Path

import torch
from PIL import Image

from .checkpoint import PHOTO, Trained, whole
from .data import LARGE, open_rgb, to_picture, to_tensor
from .network import one_hot
from .problems import Problem

LINE_CELLS = 8
# Strokes are shown as a camera's frame has them, in half of its size.
STROKE_HEIGHT_PX = 720
STROKES_SHOWN = (0.0, 0.5, 1.0)
STROKE_STYLES = 4


def open_scaled(path: Path, height_px: int) -> Image.Image:
    """A photograph at the given height."""
    picture = open_rgb(path)
    return picture.resize((max(1, round(picture.width * height_px / picture.height)), height_px), Image.Resampling.LANCZOS)


def save(picture: Image.Image, path: Path) -> None:
    """Writes a picture in the format that its name asks for."""
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind is None:
        raise Problem(f"{path}: name a picture file, like painted.png or painted.jpg")
    whole(path, lambda part: picture.save(part, kind, quality=88))


def paint(trained: Trained, picture: Image.Image, weights: torch.Tensor) -> Image.Image:
    """`weights` f32[1,N]: one style, or any blend."""
    with torch.no_grad():
        return to_picture(trained.painter.paint(to_tensor(picture), weights))


def alone(trained: Trained, style: str) -> torch.Tensor:
    """The weights f32[1,N] of one style."""
    return one_hot([trained.row(style)], len(trained.lessons))


def contact_sheet(trained: Trained, photos: list[Path], height_px: int) -> Image.Image:
    """For each photograph: the photograph itself, then each style in the order of its row, `LINE_CELLS` a line."""
    styles = [one_hot([row], len(trained.lessons)) for row in styled_rows(trained)]
    pictures = [open_scaled(path, height_px) for path in photos]
    painted = [[picture, *(paint(trained, picture, style) for style in styles)] for picture in pictures]
    return page([cells[at : at + LINE_CELLS] for cells in painted for at in range(0, len(cells), LINE_CELLS)])


def blend_sheet(trained: Trained, photo: Path, styles: list[str], height_px: int) -> Image.Image:
    """A line for each neighbouring pair of styles: from the one to the other in five steps."""
    picture = open_scaled(photo, height_px)
    ends = [alone(trained, name) for name in styles]
    return page(
        [
            [paint(trained, picture, torch.lerp(first, second, step / 4)) for step in range(5)]
            for first, second in zip(ends, ends[1:])
        ]
    )


def stroke_sheet(trained: Trained, photo: Path, styles: list[str]) -> Image.Image:
    """A line for each style: with small strokes, half-way, and with large ones."""
    picture = open_scaled(photo, STROKE_HEIGHT_PX)
    ends = [(alone(trained, name), alone(trained, name + LARGE)) for name in styles]
    return page([[paint(trained, picture, torch.lerp(*both, stroke)).reduce(2) for stroke in STROKES_SHOWN] for both in ends])


def comparison_sheet(networks: list[Trained], photo: Path, styles: list[str], height_px: int) -> Image.Image:
    """A line for each network, a column for each style."""
    picture = open_scaled(photo, height_px)
    return page(
        [
            [paint(trained, picture, alone(trained, name)) for name in styles]
            for trained in networks
        ]
    )


def write_gallery(trained: Trained, folder: Path, photos: list[Path], height_px: int) -> None:
    """`<network>.jpg` (every photo in every style), `<network>_blend.jpg`, and in `previews` each style alone.

    Of a network with strokes in two sizes `<network>_stroke.jpg` too.
    """
    save(contact_sheet(trained, photos, height_px), folder / f"{trained.network}.jpg")
    known = {lesson.name for lesson in trained.lessons}
    names = [trained.lessons[row].name for row in styled_rows(trained)]
    save(blend_sheet(trained, photos[0], [names[0], names[-1], PHOTO], height_px), folder / f"{trained.network}_blend.jpg")
    in_both = [name for name in names if name + LARGE in known]
    if in_both:
        save(stroke_sheet(trained, photos[0], in_both[:STROKE_STYLES]), folder / f"{trained.network}_stroke.jpg")
    picture = open_scaled(photos[0], height_px)
    for name in (PHOTO, *names):
        save(paint(trained, picture, alone(trained, name)), folder / "previews" / trained.network / f"{name}.jpg")


def styled_rows(trained: Trained) -> list[int]:
    """Rows of paintings, with small strokes."""
    return [row for row, lesson in enumerate(trained.lessons) if lesson.name != PHOTO and not lesson.name.endswith(LARGE)]


def page(lines: list[list[Image.Image]], background: str = "white") -> Image.Image:
    """Pictures of equal height beside each other, line under line."""
    width_px = max(sum(cell.width for cell in line) for line in lines)
    sheet = Image.new("RGB", (width_px, sum(line[0].height for line in lines)), background)
    top = 0
    for line in lines:
        left = 0
        for cell in line:
            sheet.paste(cell, (left, top))
            left += cell.width
        top += line[0].height
    return sheet

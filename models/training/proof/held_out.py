"""What a network has learnt: its losses on photographs that it was not trained on, style by style."""

from pathlib import Path
from statistics import mean

import torch

from .. import checkpoint, gallery, gatys, losses, vgg
from ..checkpoint import PHOTO, Trained
from ..data import Style, hung, to_tensor
from . import colours


def measure(checkpoints: list[Path], photos: list[Path], height_px: int, vgg_path: Path, paintings: Path) -> None:
    """Prints for each network a line a style, their mean, and how far `photo` is off on each photograph (of 255).

    `forms` is the part of the style loss that lies in the large forms, `colours` the distance from the painting's, and
    `contrast` the local contrast beside the painting's, 1 if it is as strong.
    """
    eye = vgg.load(vgg_path)
    pictures = [to_tensor(gallery.open_scaled(path, height_px)) for path in photos]
    for path in checkpoints:
        trained, _ = checkpoint.read(path)
        print(f"\n| {trained.network}, {path} | content | style | forms | colours | contrast |\n|---|---|---|---|---|---|")
        each = []
        for lesson in trained.lessons:
            if lesson.style:
                each.append(of_style(eye, trained, lesson.style, pictures, paintings))
                print("| {} | {:.3f} | {:.3f} | {:.3f} | {:.1f} | {:.2f} |".format(lesson.name, *each[-1]), flush=True)
        print("| mean | {:.3f} | {:.3f} | {:.3f} | {:.1f} | {:.2f} |".format(*map(mean, zip(*each))))
        print("photo is off by", ", ".join(f"{path.stem} {off_by(trained, picture):.1f}" for path, picture in zip(photos, pictures)), "of 255", flush=True)


def of_style(eye: vgg.Vgg, trained: Trained, style: Style, pictures: list[torch.Tensor], paintings: Path) -> tuple[float, ...]:
    """Mean content and style loss, the part of forms in it, distance of colours, and relative contrast."""
    painting = to_tensor(hung(style, paintings))
    target, contrast = losses.painting_target(eye, painting), colours.local_contrast(painting)
    each = []
    for picture in pictures:
        shown = painted(trained, style.name, picture)
        with torch.no_grad():
            seen = gatys.Judge(eye, picture, target, losses.Weights()).see(shown)
        told = [seen.content.item(), seen.style.item(), seen.forms.item()]
        each.append([*told, colours.distance(shown, painting), colours.local_contrast(shown) / contrast])
    return tuple(map(mean, zip(*each)))


def off_by(trained: Trained, picture: torch.Tensor) -> float:
    """Mean difference between a picture and what `photo` makes of it, 0 to 255."""
    return 255 * (painted(trained, PHOTO, picture) - picture).abs().mean().item()


def painted(trained: Trained, style: str, picture: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return trained.painter.paint(picture, gallery.alone(trained, style)).clamp(0, 1)

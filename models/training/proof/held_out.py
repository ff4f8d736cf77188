"""What a network has learnt: its losses on photographs that it was not trained on, style by style."""

from pathlib import Path
from statistics import mean

import torch

from .. import checkpoint, gallery, gatys, losses, vgg
from ..checkpoint import PHOTO, Trained
from ..data import to_tensor


def measure(checkpoints: list[Path], photos: list[Path], height_px: int, vgg_path: Path, paintings: Path) -> None:
    """Prints for each network a line a style, their mean, and how far `photo` is off on each photograph (of 255)."""
    eye = vgg.load(vgg_path)
    pictures = [to_tensor(gallery.open_scaled(path, height_px)) for path in photos]
    for path in checkpoints:
        trained, _ = checkpoint.read(path)
        print(f"\n| {trained.network}, {path} | content | style |\n|---|---|---|")
        each = []
        for lesson in trained.lessons:
            if lesson.style:
                target = losses.style_target(eye, lesson.style, paintings)
                judges = [gatys.Judge(eye, picture, target, losses.Weights()) for picture in pictures]
                each.append(gatys.mean_losses(judges, [painted(trained, lesson.name, picture) for picture in pictures]))
                print("| {} | {:.3f} | {:.3f} |".format(lesson.name, *each[-1]), flush=True)
        print("| mean | {:.3f} | {:.3f} |".format(*map(mean, zip(*each))))
        print("photo is off by", ", ".join(f"{path.stem} {off_by(trained, picture):.1f}" for path, picture in zip(photos, pictures)), "of 255", flush=True)


def off_by(trained: Trained, picture: torch.Tensor) -> float:
    """Mean difference between a picture and what `photo` makes of it, 0 to 255."""
    return 255 * (painted(trained, PHOTO, picture) - picture).abs().mean().item()


def painted(trained: Trained, style: str, picture: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return trained.painter.paint(picture, gallery.alone(trained, style)).clamp(0, 1)

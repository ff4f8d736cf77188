"""Teaches a trained network one more painting: a new row is learnt, and nothing else changes by a bit."""

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from . import checkpoint, losses, vgg
from .checkpoint import Trained
from .data import Photos, Style
from .losses import Target
from .problems import Problem
from .teach import Teacher
from .train import REPORT_STEPS, add_rows, rate_at


@dataclass(frozen=True)
class Plan:
    """What the command line asks for; the network in `checkpoint` is written to `to`, with the new style."""

    style: Style
    folder: Path
    checkpoint: Path
    to: Path
    photos: Path
    vgg: Path
    minutes: float
    rate: float
    weights: losses.Weights
    seed: int


def add(plan: Plan) -> None:
    torch.manual_seed(plan.seed)
    trained, _ = checkpoint.read(plan.checkpoint)
    if plan.style.name in [lesson.name for lesson in trained.lessons]:
        raise Problem(f"{plan.checkpoint} already has a style {plan.style.name!r}: choose another --name")
    eye, photos = vgg.at_fastest_precision(vgg.load(plan.vgg)), Photos(plan.photos, plan.seed)
    target = losses.style_target(eye, plan.style, plan.folder)
    add_rows(trained, [plan.style], {plan.style.name: target}, eye, photos)
    teacher = row_teacher(trained, eye, target, photos, plan.weights, plan.seed)
    began, minutes = time.monotonic(), 0.0
    while minutes < plan.minutes:
        measured = teacher.learn(rate_at(minutes / plan.minutes, teacher.step, plan.rate))
        minutes = (time.monotonic() - began) / 60
        if teacher.step % REPORT_STEPS == 0:
            lesson = trained.lessons[-1]
            print(
                f"step {teacher.step}  content {lesson.content_loss:.3f}  style {lesson.style_loss:.3f}  "
                f"stability {measured.stability:.5f}  {max(0.0, plan.minutes - minutes):.1f} min left",
                flush=True,
            )
    with torch.no_grad():
        trained.painter.rows[-1].copy_(teacher.average[f"rows.{len(trained.lessons) - 1}"])
    checkpoint.write(plan.to, trained)
    print(f"{plan.to}: {plan.style.name} is row {len(trained.lessons) - 1}, after {teacher.step} steps")


def row_teacher(
    trained: Trained, eye: vgg.Vgg, target: Target, photos: Photos, weights: losses.Weights, seed: int
) -> Teacher:
    """A teacher for the last row alone: everything else in the network is frozen."""
    trained.painter.requires_grad_(False)
    trained.painter.rows[-1].requires_grad_(True)
    return Teacher(trained, eye, {len(trained.lessons) - 1: target}, photos, weights, styles_a_step=1, seed=seed, device="cpu")

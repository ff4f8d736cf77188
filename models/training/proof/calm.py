"""What `impasto file --steadiness` takes from the movement of a painted film that the film does not have."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .. import gatys, losses
from ..problems import Problem
from ..vgg import Vgg
from . import flicker

# The first frame stands so long before the second comes: the network's flicker has calmed down by then.
STILL_FRAMES = 12


def measure(
    program: Path, networks: list[str], style: str, pairs: list[Path], modes: list[str], eye: Vgg, target: losses.Target
) -> None:
    """Prints a table: warp is the mean change along the true flow of the pairs in units of 1/255, style and content the losses
    of the last frame.
    """
    print("| network | steadiness | warp | style | content |\n|---|---|---|---|---|")
    for network in networks:
        for mode in modes:
            changes, judges, painted = [], [], []
            for folder in pairs:
                first, second, flow = flicker.pair(folder)
                before, after = paint(program, network, style, mode, first, second)
                changes.append(change(before, after, first, second, flow))
                judges.append(gatys.Judge(eye, torch.from_numpy(second), target, losses.Weights()))
                painted.append(torch.from_numpy(after))
            content, style_loss = gatys.mean_losses(judges, painted)
            print(f"| {network} | {mode} | {255 * np.mean(changes):.2f} | {style_loss:.2f} | {content:.2f} |", flush=True)


def change(before: np.ndarray, after: np.ndarray, first: np.ndarray, second: np.ndarray, flow: np.ndarray) -> float:
    """How much two painted frames differ along the flow, where the frames themselves agree."""
    seen, inside = flicker.look_along(second, flow)
    same = inside & (np.abs(seen - first).max(axis=(0, 1)) < flicker.OCCLUDED)
    painted_seen, _ = flicker.look_along(after, flow)
    return float(np.abs(painted_seen - before)[:, :, same].mean())


def paint(
    program: Path, network: str, style: str, mode: str, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The last two frames of a film in which `first` stands and then becomes `second`, each f32[1,3,H,W]."""
    with tempfile.TemporaryDirectory() as folder:
        for number, frame in enumerate([first] * STILL_FRAMES + [second]):
            pixels = np.round(frame[0].transpose(1, 2, 0) * 255).astype(np.uint8)
            Image.fromarray(pixels).save(f"{folder}/{number:03}.png")
        run("ffmpeg", "-v", "error", "-i", f"{folder}/%03d.png", "-c:v", "png", f"{folder}/film.mkv")
        options = ["--network", network, "--style", style, "--steadiness", mode, "--crf", "1"]
        run(str(program), "file", f"{folder}/film.mkv", f"{folder}/painted.mkv", *options)
        run("ffmpeg", "-v", "error", "-i", f"{folder}/painted.mkv", f"{folder}/out%03d.png")
        last = [Path(folder) / f"out{number:03}.png" for number in (STILL_FRAMES, STILL_FRAMES + 1)]
        before, after = (flicker.image_of(path) for path in last)
    return before, after


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"{command[0]}: {done.stderr.strip()}")

"""Johnson's figure: the network's loss beside the slow reference's at every few iterations."""

import csv
import io
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from .. import checkpoint, gatys, losses, vgg
from ..data import to_tensor
from ..gallery import open_scaled
from ..network import one_hot

MARKS = [0, 10, 25, 50, 100, 200, 300, 500]


@dataclass(frozen=True)
class Pair:
    """One photo in one style: the reference's total loss at each mark, and the network's."""

    photo: str
    style: str
    network_total: float
    network_seconds: float
    totals: list[float]
    seconds: list[float]

    @property
    def equals_iteration(self) -> int | None:
        """The first mark at which the reference is as good as the network; None: never in this run."""
        return next((mark for mark, total in zip(MARKS, self.totals) if total <= self.network_total), None)


def measure(
    checkpoint_path: Path, vgg_path: Path, paintings: Path, photos: list[Path], styles: list[str],
    iterations: int, height_px: int, weights: losses.Weights, table: Path,
) -> None:
    """Writes a line for each pair to `table` as it goes, and prints the means."""
    trained, _ = checkpoint.read(checkpoint_path)
    eye = vgg.load(vgg_path)
    marks = [mark for mark in MARKS if mark <= iterations]
    pairs = []
    for name in styles:
        row = trained.row(name)
        style = trained.lessons[row].style
        target = losses.style_target(eye, style, paintings)
        for path in photos:
            photo = to_tensor(open_scaled(path, height_px))
            judge = gatys.Judge(eye, photo, target, weights, style.strength)
            began = time.perf_counter()
            with torch.no_grad():
                painted = trained.painter.paint(photo, one_hot([row], len(trained.lessons))).clamp(0, 1)
                network_seconds = time.perf_counter() - began
                network_total = judge(painted)[2].item()
            points = list(gatys.optimise(judge, marks))
            pairs.append(Pair(path.stem, name, network_total, network_seconds, [p.total for p in points], [p.seconds for p in points]))
            checkpoint.whole(table, lambda part: part.write_text(as_csv(pairs, marks)))
            print(f"{name} {path.stem}: network {network_total:.3f}, reference " + " ".join(f"{total:.3f}" for total in pairs[-1].totals), flush=True)
    summarise(pairs, marks)


def as_csv(pairs: list[Pair], marks: list[int]) -> str:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["photo", "style", "network", *(f"reference_{mark}" for mark in marks), "network_s", "reference_s"])
    for pair in pairs:
        totals = [f"{total:.4f}" for total in (pair.network_total, *pair.totals)]
        lines.writerow([pair.photo, pair.style, *totals, f"{pair.network_seconds:.4f}", f"{pair.seconds[-1]:.1f}"])
    return text.getvalue()


def summarise(pairs: list[Pair], marks: list[int]) -> None:
    print("\n| iterations | mean total loss of the reference | seconds |")
    print("|---|---|---|")
    for number, mark in enumerate(marks):
        total, seconds = (statistics.mean(values) for values in zip(*((p.totals[number], p.seconds[number]) for p in pairs)))
        print(f"| {mark} | {total:.3f} | {seconds:.1f} |")
    print(f"| the network | {statistics.mean(p.network_total for p in pairs):.3f} | {statistics.mean(p.network_seconds for p in pairs):.4f} |")
    reached = [pair.equals_iteration for pair in pairs if pair.equals_iteration is not None]
    print(f"\nThe reference reached the network's loss in {len(reached)} of {len(pairs)} pairs, at iterations {sorted(reached)}.")

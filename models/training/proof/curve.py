"""Johnson's figure: the loss of the networks beside the slow reference's at every few iterations.

The reference takes hours and knows nothing of the networks: its losses are kept in a table, which
grows by what it lacks, and only the networks are measured afresh.
"""

import csv
import io
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import torch
from PIL import Image, ImageOps

from .. import checkpoint, gatys, losses, vgg
from ..checkpoint import Trained
from ..data import open_rgb, to_tensor
from ..problems import Problem
from .networks import Network, open_network

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

MARKS = [0, 10, 25, 50, 100, 200, 300, 500]


@dataclass(frozen=True)
class Reference:
    """One photo in one style: the reference's total loss and seconds at each mark."""

    photo: str
    style: str
    totals: list[float]
    seconds: list[float]


@dataclass(frozen=True)
class Painted:
    """The same pairs by a network: mean total loss, and median seconds a picture."""

    network: str
    total: float
    seconds: float


def measure(
    networks: list[str], trained: Trained, vgg_path: Path, paintings: Path, photos: list[Path], styles: list[str],
    side_px: int, weights: losses.Weights, table: Path,
) -> None:
    """Photos are cropped to squares. Prints the means, completes `table`, and draws the curve beside it as a PNG."""
    eye = vgg.load(vgg_path)
    known = read_table(table)
    opened = [open_network(text) for text in networks]
    pairs, painted = [], {network.name: [] for network in opened}
    for name in styles:
        row = trained.row(name)
        style = trained.lessons[row].style
        target = losses.style_target(eye, style, paintings)
        for path in photos:
            photo = to_tensor(ImageOps.fit(open_rgb(path), (side_px, side_px), Image.Resampling.LANCZOS))
            judge = gatys.Judge(eye, photo, target, weights, style.strength)
            if (path.stem, name) not in known:
                points = list(gatys.optimise(judge, MARKS))
                known[path.stem, name] = Reference(path.stem, name, [p.total for p in points], [p.seconds for p in points])
                text = as_csv(list(known.values()))
                checkpoint.whole(table, lambda part: part.write_text(text))
            pairs.append(known[path.stem, name])
            for network in opened:
                painted[network.name].append(judged(network, judge, photo, row))
            print(f"{name} {path.stem}: reference {pairs[-1].totals[-1]:.3f}, " + ", ".join(f"{n} {p[-1].total:.3f}" for n, p in painted.items()), flush=True)
    # The median of the seconds: a neighbour on a shared machine makes a few pictures many times slower.
    means = [
        Painted(name, statistics.mean(p.total for p in each), statistics.median(p.seconds for p in each))
        for name, each in painted.items()
    ]
    summarise(pairs, means)
    draw(pairs, means, table.with_suffix(".png"))


def judged(network: Network, judge: gatys.Judge, photo: torch.Tensor, row: int) -> Painted:
    image = photo.numpy()
    network.paint(image, row)
    began = time.perf_counter()
    painted = network.paint(image, row)
    seconds = time.perf_counter() - began
    with torch.no_grad():
        return Painted(network.name, judge(torch.from_numpy(painted))[2].item(), seconds)


def read_table(path: Path) -> dict[tuple[str, str], Reference]:
    if not path.exists():
        return {}
    try:
        with path.open(newline="") as file:
            lines = list(csv.DictReader(file))
        references = [
            Reference(line["photo"], line["style"], *([float(line[f"{what}_{mark}"]) for mark in MARKS] for what in ("loss", "seconds")))
            for line in lines
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise Problem(f"cannot read the table {path}: {error!r}; name another, or remove it to start afresh") from error
    return {(reference.photo, reference.style): reference for reference in references}


def as_csv(references: list[Reference]) -> str:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["photo", "style", *(f"{what}_{mark}" for what in ("loss", "seconds") for mark in MARKS)])
    for reference in references:
        totals, seconds = ([f"{value:.4f}" for value in values] for values in (reference.totals, reference.seconds))
        lines.writerow([reference.photo, reference.style, *totals, *seconds])
    return text.getvalue()


def mean_curve(pairs: list[Reference]) -> tuple[list[float], list[float]]:
    """Mean loss and mean seconds at each mark."""
    return tuple([statistics.mean(values) for values in zip(*each)] for each in ([p.totals for p in pairs], [p.seconds for p in pairs]))


def equal_iteration(totals: list[float], total: float) -> float | None:
    """Where the reference's curve passes `total`, between two marks by straight line; None: it never does."""
    for (mark, before), (next_mark, after) in zip(zip(MARKS, totals), zip(MARKS[1:], totals[1:])):
        if after <= total <= before:
            return mark + (next_mark - mark) * (before - total) / max(before - after, 1e-12)
    return None


def summarise(pairs: list[Reference], means: list[Painted]) -> None:
    totals, seconds = mean_curve(pairs)
    print("\n| | mean total loss | seconds a picture | equals iteration | faster than that | faster than 500 |")
    print("|---|---|---|---|---|---|")
    for mark, total, taken in zip(MARKS, totals, seconds):
        print(f"| reference, {mark} iterations | {total:.3f} | {taken:.1f} | | | |")
    for mean in means:
        iteration = equal_iteration(totals, mean.total)
        faster = f"{seconds[-1] / MARKS[-1] * iteration / mean.seconds:.0f}" if iteration is not None else ""
        shown = f"{iteration:.0f}" if iteration is not None else "none"
        print(f"| {mean.network} | {mean.total:.3f} | {mean.seconds:.4f} | {shown} | {faster} | {seconds[-1] / mean.seconds:.0f} |")


def draw(pairs: list[Reference], means: list[Painted], path: Path) -> None:
    totals, _ = mean_curve(pairs)
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(MARKS, totals, "o-", color="black", label="optimising the picture (L-BFGS)")
    for mean, line in zip(means, ("--", ":", "-.")):
        axes.axhline(mean.total, linestyle=line, color="tab:blue", label=f"{mean.network}, one pass")
    axes.set(xlabel="iterations", ylabel="mean total loss", ylim=(0, None), title=f"{len(pairs)} pairs of photo and painting")
    axes.legend()
    checkpoint.whole(path, lambda part: figure.savefig(part, format="png", dpi=120))
    pyplot.close(figure)

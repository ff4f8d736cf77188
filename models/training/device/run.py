"""A run from a pack, as large as a fast card likes it."""

from pathlib import Path

from .. import losses, train
from ..data import read_styles
from ..problems import Problem
from .pack import VGG

# What is saved comes back even if the machine goes away.
SAVE_MINUTES = 2.0


def run(
    pack: Path, folder: Path, network: str, styles: Path, minutes: float, crops_px: list[int], photos_a_step: int, rate: float,
    weights: losses.Weights, samples: list[Path],
) -> None:
    """Leaves in `folder` what `train.train` does, and goes on where a run there has stopped."""
    eyes = list(pack.glob(f"{VGG}.*"))
    if not eyes:
        raise Problem(f"{pack} is no pack: make one with `./dev train pack`")
    plan = train.Plan(
        network=network, styles=read_styles(styles), paintings=pack / "paintings", photos=pack / "photos", vgg=eyes[0], run=folder,
        start=pack / f"{network}.pt", minutes=minutes, steps=None, crops_px=crops_px, weights=weights, styles_a_step=2,
        photos_a_step=photos_a_step, rate=rate, seed=1, threads=0, save_minutes=SAVE_MINUTES, samples=samples,
    )
    train.train(plan)

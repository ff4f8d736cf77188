"""Networks on disk: written whole or not at all, and never read into another shape."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from .data import Style
from .fit import fitted
from .network import SHAPES, Deep, Painter, Shape
from .problems import Problem

PHOTO = "photo"


@dataclass
class Lesson:
    """A row of the network: the style it holds (None is the plain photo) and how it was learnt."""

    name: str
    style: Style | None
    steps: int = 0
    content_loss: float = 0.0
    style_loss: float = 0.0

    def count(self, content_loss: float, style_loss: float) -> None:
        """One more step; the losses are running means over the last fifty or so."""
        keep = min(0.98, self.steps / (self.steps + 1))
        self.steps += 1
        self.content_loss = keep * self.content_loss + (1 - keep) * content_loss
        self.style_loss = keep * self.style_loss + (1 - keep) * style_loss


@dataclass
class Trained:
    """A network and what its rows mean; `lessons[i]` is row i."""

    network: str
    painter: Painter
    lessons: list[Lesson] = field(default_factory=list)

    def row(self, name: str) -> int:
        names = [lesson.name for lesson in self.lessons]
        if name not in names:
            raise Problem(f"no style {name!r}; there are {', '.join(names)}")
        return names.index(name)


def shipped(network: str) -> Path:
    """The checkpoint that is committed beside the recipe."""
    return Path(__file__).parent / "checkpoints" / f"{network}.pt"


def write(path: Path, trained: Trained, progress: dict | None = None) -> None:
    """`progress` is what training needs to go on (optimiser, averages); a shipped file has none.

    What is shipped is rounded to float16, half as large: no picture changes by a level for it.
    """
    weights = trained.painter.state_dict()
    content = {
        "network": trained.network,
        "shape": asdict(trained.painter.shape),
        "lessons": [asdict(lesson) for lesson in trained.lessons],
        "weights": weights if progress else {name: tensor.half() for name, tensor in weights.items()},
        "progress": progress,
    }
    whole(path, lambda part: torch.save(content, part))


def whole(path: Path, save: Callable[[Path], None]) -> None:
    """Calls `save(part)` on a file beside `path` and renames it: a full disk leaves the old file as it was."""
    part = path.with_name(f".{path.name}.part")

    def save_and_rename() -> None:
        save(part)
        os.replace(part, path)

    try:
        guarded(path, save_and_rename)
    finally:
        part.unlink(missing_ok=True)


def guarded(path: Path, write_it: Callable[[], None]) -> None:
    """Runs something that writes `path`, in a folder that is made if it is missing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_it()
    except (OSError, RuntimeError) as error:
        raise Problem(f"cannot write {path}: {error}") from error


def read(path: Path, network: str | None = None) -> tuple[Trained, dict | None]:
    """The network and its progress; with `network`, only if it is a network of that name and shape."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        shape = shape_of(content["shape"])
        lessons = [
            Lesson(**(entry | {"style": entry["style"] and Style(**entry["style"])})) for entry in content["lessons"]
        ]
        painter = Painter(shape, len(lessons))
        painter.load_state_dict(content["weights"])
    except Exception as error:
        raise Problem(f"cannot read the checkpoint {path}: {error}") from error
    if network and (content["network"] != network or shape != SHAPES[network]):
        raise Problem(f"{path} holds {content['network']!r} as {shape}, not {network!r} as {SHAPES[network]}")
    return Trained(content["network"], painter, lessons), content["progress"]


def shape_of(entry: dict) -> Shape:
    def deep(level: dict | None) -> Deep | None:
        return level and Deep(**(level | {"deep": deep(level["deep"])}))

    return Shape(**(entry | {"deep": deep(entry.get("deep"))}))


def start(path: Path, network: str) -> tuple[Trained, dict | None]:
    """A network to go on with; from a checkpoint of another shape it takes what fits."""
    trained, progress = read(path)
    if trained.painter.shape == SHAPES[network]:
        return Trained(network, trained.painter, trained.lessons), progress
    return Trained(network, fitted(trained.painter, SHAPES[network]), trained.lessons), None

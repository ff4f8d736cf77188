"""One lesson at a time: paint a photograph in a few styles, measure, and correct the network."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from . import losses
from .checkpoint import PHOTO, Trained
from .data import Photos
from .losses import Target
from .muon import Muon
from .network import BORDER_PX, Block, Painter, one_hot
from .vgg import Vgg

# Side of the squares that photographs are cropped to, unless it is chosen.
CROP_PX = 256
# With less, VGG's deepest layer sees too few cells of the picture at half size.
SMALLEST_CROP_PX = 128
# As far as the coarsest cells of the networks are wide.
SHIFT_PX = 32
# The moved photograph is painted with a border this wide, so that the edge is out of the network's sight: what it
# paints differently at an edge counts as instability.
FAR_BORDER_PX = 64
NOISE = 3 / 255
GRADIENT_NORM = 1.0
AVERAGE = 0.995
# A style's row is corrected only when its turn comes, the trunk in every step.
ROW_RATE = 3.0
# A square shows too few strokes of a painting that hangs more than so many times as wide beside it.
WIDEST_PAINTING = 3.5
# Muon's steps beside Adam's.
MUON_RATE = 10.0


@dataclass(frozen=True)
class Measured:
    """The losses of one step; `content`, `style` and its part `forms` have one value for each row painted."""

    rows: list[int]
    content: list[float]
    style: list[float]
    forms: list[float]
    variation: float
    grid: float
    seams: float
    stability: float
    photo: float


@dataclass(frozen=True)
class Batch:
    """What one step paints: photographs f32[P,3,H,W], each in S styles, so that there are P*S pictures.

    `moved` shows the same with sensor noise, a few pixels further: `kept` are its rows and columns that `photo` has
    too, `same` where it has them.
    """

    photo: torch.Tensor
    moved: torch.Tensor
    same: tuple[torch.Tensor, torch.Tensor]
    kept: tuple[torch.Tensor, torch.Tensor]
    hung: "Hung"
    hung_moved: "Hung"
    rows: torch.Tensor
    styles: torch.Tensor
    strengths: torch.Tensor

    def tensors(self) -> list[torch.Tensor]:
        places = (*self.same, *self.kept, *self.hung.tensors(), *self.hung_moved.tensors())
        return [self.photo, self.moved, *places, self.rows, self.styles, self.strengths]


@dataclass(frozen=True)
class Hung:
    """Where a picture lies among the reflected pixels around it: rows and columns, f32[B,3,H,W] -> what the network is
    given, and of that, those of the picture.

    By chance, as far as the coarsest cells leave room: a network that has always found its pictures at the same place
    of its cells learns where the edges are, and paints less at those that it knows.
    """

    given: tuple[torch.Tensor, torch.Tensor]
    own: tuple[torch.Tensor, torch.Tensor]

    def tensors(self) -> list[torch.Tensor]:
        return [*self.given, *self.own]


def hang(random: random.Random, side_px: int, border_px: int, multiple: int, device: str) -> Hung:
    """Rows and columns of a square."""
    given_px = -(-(side_px + 2 * border_px) // multiple) * multiple
    befores = [border_px + random.randint(0, given_px - side_px - 2 * border_px) for _ in range(2)]
    given = tuple(reflected(torch.arange(given_px) - before, side_px).to(device) for before in befores)
    own = tuple((torch.arange(side_px) + before).to(device) for before in befores)
    return Hung(given, own)


def reflected(places: torch.Tensor, side_px: int) -> torch.Tensor:
    """Places outside of 0..side_px are those at the same distance within; none is further outside than that."""
    inside = places.abs()
    return torch.where(inside < side_px, inside, 2 * (side_px - 1) - inside)


class Teacher:
    """Teaches the rows in `targets` (by row number), and whatever else of the network may change.

    Parameters that do not require a gradient stay as they are, bit for bit. `average` is a running
    mean of the weights: it paints better than the weights of any one step.
    """

    def __init__(
        self, trained: Trained, eye: Vgg, targets: dict[int, Target], photos: Photos, weights: losses.Weights,
        styles_a_step: int, seed: int, device: str, crops_px: list[int] = [CROP_PX], photos_a_step: int = 1,
    ):
        # On a CPU, convolutions of a few channels are three times as fast with the channels last.
        layout = torch.contiguous_format if device == "cuda" else torch.channels_last
        self.trained, self.painter = trained, trained.painter.to(memory_format=layout)
        if eye:
            for block in filter(lambda module: isinstance(module, Block), self.painter.modules()):
                block.precision = eye.precision
        self.eye, self.photos, self.weights, self.styles_a_step, self.device = eye, photos, weights, styles_a_step, device
        # Sides of the squares, in turn, and how many photographs of each make as many pixels.
        self.turns = [(px, max(1, round(photos_a_step * (crops_px[0] / px) ** 2))) for px in crops_px]
        self.rows = sorted(targets)
        self.target = losses.stacked([targets[row] for row in self.rows]) if targets else None
        self.learnable = [parameter for parameter in self.painter.parameters() if parameter.requires_grad]
        self.optimisers = optimisers(self.painter)
        self.average = {name: tensor.clone() for name, tensor in self.painter.state_dict().items()}
        self.random = random.Random(seed)
        self.step = 0
        self.decks: dict[int, list[int]] = {crop_px: [] for crop_px, _ in self.turns}
        self.photo_row = trained.row(PHOTO)
        self.plain_style = one_hot([self.photo_row], len(trained.lessons)).to(device)
        self.teaches_photo = self.painter.rows[self.photo_row].requires_grad
        self.graphs = Graphs(self._told, self.learnable) if device == "cuda" else None

    def learn(self, rate: float) -> Measured:
        batch, rows = self._batch()
        told = self.graphs.replay(batch) if self.graphs else self._told(batch)
        self._correct(rate)
        each, shared = told[: 3 * len(rows)].view(3, -1).tolist(), told[3 * len(rows) :].tolist()
        measured = Measured(rows, *each, *shared)
        self._keep_book(measured)
        return measured

    def copy(self, rate: float) -> float:
        """A lesson without paintings: paint the photograph as it is. Returns the mean squared error."""
        photo, _, _ = self._pair(*self.turns[0])
        error = self._plain(photo, self._hang(photo.shape[-1], BORDER_PX))
        self._gradient(error)
        self._correct(rate)
        self.trained.lessons[self.photo_row].count(0.0, 0.0)
        return error.item()

    def gradient_norms(self) -> dict[str, float]:
        """How strongly each loss pulls at the network, its weight counted, on one more batch: what decides the balance."""
        batch, _ = self._batch()
        terms, _ = self._terms(batch)
        norms = {}
        for name, loss in terms.items():
            parts = torch.autograd.grad(loss, self.learnable, retain_graph=True, allow_unused=True) if loss.requires_grad else ()
            norms[name] = sum(part.square().sum().item() for part in parts if part is not None) ** 0.5
        return norms

    def _told(self, batch: Batch) -> torch.Tensor:
        """Leaves the gradient of a batch in the network; f32 vector of its losses, in the order of `Measured`."""
        terms, told = self._terms(batch)
        self._gradient(sum(terms.values()))
        return told.detach()

    def _terms(self, batch: Batch) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Each loss by its weight, and all losses as a vector without it."""
        painted = self._painted(batch.photo.repeat_interleave(self.styles_a_step, dim=0), batch.styles, batch.hung)
        wanted = losses.photo_content(self.eye, batch.photo)
        seen = losses.perceptual_losses(self.eye, painted, wanted, self.target.of(batch.rows))
        # Of each photograph in one style: that shows how calm it is at half the cost.
        moved = self._painted(batch.moved, batch.styles[:: self.styles_a_step], batch.hung_moved)
        stability = F.mse_loss(part(painted[:: self.styles_a_step], batch.same), part(moved, batch.kept))
        variation, grid, seams = (loss(painted) for loss in (losses.variation_loss, losses.grid_loss, losses.seam_loss))
        plain = self._plain(batch.photo, batch.hung) if self.teaches_photo else painted.new_zeros(())
        weigh, style = self.weights, self.weights.style * batch.strengths
        terms = {
            "content": weigh.content * seen.content.mean(),
            "strokes": (style * (seen.style - seen.forms)).mean(),
            "forms": weigh.forms * (style * seen.forms).mean(),
            "variation": weigh.variation * variation,
            "grid": weigh.grid * grid,
            "seams": weigh.seams * seams,
            "stability": weigh.stability * stability,
            "photo": weigh.photo * plain,
        }
        told = torch.cat([seen.content, seen.style, seen.forms, torch.stack([variation, grid, seams, stability, plain])])
        return terms, told

    def _deal(self, crop_px: int, count: int) -> list[int]:
        """The next rows of a shuffled deck for squares of a size, so that every style gets the same number of steps."""
        deck = self.decks[crop_px]
        while len(deck) < count:
            rows = self._fitting(crop_px)
            deck += self.random.sample(rows, len(rows))
        rows, self.decks[crop_px] = deck[:count], deck[count:]
        return rows

    def _fitting(self, crop_px: int) -> list[int]:
        """Rows whose paintings do not hang too large beside a square; all, if each of them does."""
        widest = WIDEST_PAINTING * crop_px
        return [row for row in self.rows if self.trained.lessons[row].style.long_side_px <= widest] or self.rows

    def _batch(self) -> tuple[Batch, list[int]]:
        crop_px, count = self.turns[self.step % len(self.turns)]
        photo, moved, shift = self._pair(crop_px, count)
        rows = self._deal(crop_px, count * self.styles_a_step)
        kept = [torch.arange(crop_px - SHIFT_PX) + SHIFT_PX - by for by in shift]
        same = [torch.arange(SHIFT_PX, crop_px)] * 2
        numbers = torch.tensor([self.rows.index(row) for row in rows])
        strengths = torch.tensor([self.trained.lessons[row].style.strength for row in rows])
        styles = one_hot(rows, len(self.trained.lessons))
        places = [tuple(index.to(self.device) for index in each) for each in (same, kept)]
        rest = [tensor.to(self.device) for tensor in (numbers, styles, strengths)]
        hung = [self._hang(crop_px, border_px) for border_px in (BORDER_PX, FAR_BORDER_PX)]
        return Batch(photo, moved + NOISE * torch.randn_like(moved), *places, *hung, *rest), rows

    def _pair(self, crop_px: int, count: int) -> tuple[torch.Tensor, torch.Tensor, tuple[int, int]]:
        """Photographs f32[count,3,crop_px,crop_px], and the same ones moved by a few pixels."""
        large = torch.cat([self.photos.crop(crop_px + SHIFT_PX) for _ in range(count)]).to(self.device)
        down, right = self.random.randint(0, SHIFT_PX), self.random.randint(0, SHIFT_PX)
        moved = large[:, :, down : down + crop_px, right : right + crop_px]
        return large[:, :, :crop_px, :crop_px], moved, (down, right)

    def _hang(self, crop_px: int, border_px: int) -> Hung:
        return hang(self.random, crop_px, border_px, self.painter.shape.multiple, self.device)

    def _painted(self, image: torch.Tensor, styles: torch.Tensor, hung: Hung) -> torch.Tensor:
        return part(self.painter(part(image, hung.given), styles), hung.own)

    def _plain(self, photo: torch.Tensor, hung: Hung) -> torch.Tensor:
        return F.mse_loss(self._painted(photo, self.plain_style.expand(len(photo), -1), hung), photo)

    def _gradient(self, loss: torch.Tensor) -> None:
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()

    def _correct(self, rate: float) -> None:
        torch.nn.utils.clip_grad_norm_(self.learnable, GRADIENT_NORM)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * group["pace"]
            optimiser.step()
        self.step += 1
        keep = min(AVERAGE, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self.painter.state_dict().values()), 1 - keep)

    def _keep_book(self, measured: Measured) -> None:
        for row, content, style in zip(measured.rows, measured.content, measured.style):
            self.trained.lessons[row].count(content, style)
        if self.teaches_photo:
            self.trained.lessons[self.photo_row].count(0.0, 0.0)


def optimisers(painter: Painter) -> list[torch.optim.Optimizer]:
    """Muon for the dense convolutions within the trunk, which learn two to three times as fast with it, and Adam for the rest."""
    learnable = {name: parameter for name, parameter in painter.named_parameters() if parameter.requires_grad}
    outer = ("stem.", "paint_cells.")
    dense = [name for name, parameter in learnable.items() if parameter.ndim == 4 and parameter.shape[1] > 1 and not name.startswith(outer)]
    rows = [name for name in learnable if name.startswith("rows.")]
    rest = [name for name in learnable if name not in {*dense, *rows}]
    groups = [{"params": [learnable[name] for name in names], "pace": pace} for names, pace in ((rest, 1.0), (rows, ROW_RATE)) if names]
    found = [torch.optim.Adam(groups)] if groups else []
    return [*found, Muon([learnable[name] for name in dense], MUON_RATE)] if dense else found


@dataclass(frozen=True)
class Recorded:
    """A step on an NVIDIA card, for pictures of one size: it reads `inputs`, and leaves `told` and the gradients."""

    graph: torch.cuda.CUDAGraph
    inputs: Batch
    told: torch.Tensor
    gradients: list[torch.Tensor | None]


class Graphs:
    """Steps on an NVIDIA card, recorded once for each size and replayed: a thousand small kernels, started by one call."""

    WARM_UP = 3

    def __init__(self, step: Callable[[Batch], torch.Tensor], learnable: list[torch.nn.Parameter]):
        self.step, self.learnable = step, learnable
        self.recorded: dict[torch.Size, Recorded] = {}
        # One memory for all: what a step leaves is used before the next one runs.
        self.memory = torch.cuda.graph_pool_handle()

    def replay(self, batch: Batch) -> torch.Tensor:
        size = batch.photo.shape
        if size not in self.recorded:
            self.recorded[size] = self._record(batch)
        recorded = self.recorded[size]
        for place, tensor in zip(recorded.inputs.tensors(), batch.tensors()):
            place.copy_(tensor)
        recorded.graph.replay()
        # Each recording has gradients of its own.
        for parameter, gradient in zip(self.learnable, recorded.gradients):
            parameter.grad = gradient
        return recorded.told

    def _record(self, batch: Batch) -> Recorded:
        # Libraries choose their algorithms while a stream of its own warms up: what is recorded must not allocate for it.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(self.WARM_UP):
                self.step(batch)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        torch.cuda.empty_cache()
        with torch.cuda.graph(graph, pool=self.memory):
            told = self.step(batch)
        return Recorded(graph, batch, told, [parameter.grad for parameter in self.learnable])


def part(image: torch.Tensor, place: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """The given rows and columns of f32[B,C,H,W]."""
    return image.index_select(2, place[0]).index_select(3, place[1])


def nearest_row(trained: Trained, eye: Vgg, target: Target, photos: list[torch.Tensor], known: list[int]) -> int:
    """The known row whose painting of the photos is nearest to the target: the best place to start from."""

    def distance(row: int) -> float:
        style = one_hot([row], len(trained.lessons))
        with torch.no_grad():
            seen = [eye(losses.halved(trained.painter.paint(photo, style))) for photo in photos]
        return sum(losses.style_loss(features, target.far, losses.FAR).item() for features in seen)

    return min(known, key=distance)

"""One lesson at a time: paint a photograph in a few styles, measure, and correct the network."""

import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from . import losses
from .checkpoint import PHOTO, Trained
from .data import Photos
from .losses import Target
from .network import BORDER_PX, one_hot
from .vgg import Vgg

# Side of the squares that photographs are cropped to, unless it is chosen.
CROP_PX = 256
# With less, VGG's deepest layer sees too few cells of the picture at half size.
SMALLEST_CROP_PX = 128
SHIFT_PX = 16
# The moved photograph is painted with a border this wide, so that the edge is out of the network's sight: what it
# paints differently at an edge counts as instability.
FAR_BORDER_PX = 64
NOISE = 3 / 255
GRADIENT_NORM = 1.0
AVERAGE = 0.995
# A style's row is corrected only when its turn comes, the trunk in every step.
ROW_RATE = 3.0


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


class Teacher:
    """Teaches the rows in `targets` (by row number), and whatever else of the network may change.

    Parameters that do not require a gradient stay as they are, bit for bit. `average` is a running
    mean of the weights: it paints better than the weights of any one step.
    """

    def __init__(
        self, trained: Trained, eye: Vgg, targets: dict[int, Target], photos: Photos, weights: losses.Weights,
        styles_a_step: int, seed: int, device: str, crop_px: int = CROP_PX,
    ):
        # On a CPU, convolutions of a few channels are three times as fast with the channels last.
        self.trained, self.painter = trained, trained.painter.to(memory_format=torch.channels_last)
        if eye:
            for block in self.painter.blocks:
                block.precision = eye.precision
        self.eye, self.targets, self.photos, self.weights = eye, targets, photos, weights
        self.styles_a_step, self.device, self.crop_px = styles_a_step, device, crop_px
        self.learnable = [parameter for parameter in self.painter.parameters() if parameter.requires_grad]
        rows = [row for row in self.painter.rows if row.requires_grad]
        trunk = [parameter for name, parameter in self.painter.named_parameters() if parameter.requires_grad and not name.startswith("rows.")]
        self.optimiser = torch.optim.Adam(
            [{"params": group, "pace": pace} for group, pace in ((trunk, 1.0), (rows, ROW_RATE)) if group]
        )
        self.average = {name: tensor.clone() for name, tensor in self.painter.state_dict().items()}
        self.random = random.Random(seed)
        self.step, self.deck = 0, []
        self.photo_row = trained.row(PHOTO)
        self.teaches_photo = self.painter.rows[self.photo_row].requires_grad

    def learn(self, rate: float) -> Measured:
        rows = self._deal()
        photo, moved, (down, right) = self._pair()
        painted = self._paint(photo, rows)
        wanted = losses.photo_content(self.eye, photo)
        seen = losses.perceptual_losses(self.eye, painted, wanted, [self.targets[row] for row in rows])
        strengths = torch.tensor([self.trained.lessons[row].style.strength for row in rows], device=self.device)
        painted_moved = self._paint(moved + NOISE * torch.randn_like(moved), rows, FAR_BORDER_PX)
        kept_px = self.crop_px - down, self.crop_px - right
        stability = F.mse_loss(painted[:, :, down:, right:], painted_moved[:, :, : kept_px[0], : kept_px[1]])
        variation, grid, seams = (loss(painted) for loss in (losses.variation_loss, losses.grid_loss, losses.seam_loss))
        plain = F.mse_loss(self._paint(photo, [self.photo_row]), photo) if self.teaches_photo else photo.new_zeros(())

        weigh = self.weights
        loss = (
            weigh.content * seen.content.mean()
            + weigh.style * (strengths * (seen.style + (weigh.forms - 1) * seen.forms)).mean()
            + weigh.variation * variation
            + weigh.grid * grid
            + weigh.seams * seams
            + weigh.stability * stability
            + weigh.photo * plain
        )
        self._correct(loss, rate)
        shared = [loss.item() for loss in (variation, grid, seams, stability, plain)]
        measured = Measured(rows, *(each.tolist() for each in (seen.content, seen.style, seen.forms)), *shared)
        self._keep_book(measured)
        return measured

    def copy(self, rate: float) -> float:
        """A lesson without paintings: paint the photograph as it is. Returns the mean squared error."""
        photo, _, _ = self._pair()
        error = F.mse_loss(self._paint(photo, [self.photo_row]), photo)
        self._correct(error, rate)
        self.trained.lessons[self.photo_row].count(0.0, 0.0)
        return error.item()

    def _deal(self) -> list[int]:
        """The next rows of a shuffled deck, so that every style gets the same number of steps."""
        while len(self.deck) < self.styles_a_step:
            self.deck += self.random.sample(sorted(self.targets), len(self.targets))
        rows, self.deck = self.deck[: self.styles_a_step], self.deck[self.styles_a_step :]
        return rows

    def _pair(self) -> tuple[torch.Tensor, torch.Tensor, tuple[int, int]]:
        """A photograph f32[1,3,crop_px,crop_px], and the same one moved by a few pixels."""
        large = self.photos.crop(self.crop_px + SHIFT_PX).to(self.device)
        down, right = self.random.randint(0, SHIFT_PX), self.random.randint(0, SHIFT_PX)
        moved = large[:, :, down : down + self.crop_px, right : right + self.crop_px]
        return large[:, :, : self.crop_px, : self.crop_px], moved, (down, right)

    def _paint(self, photo: torch.Tensor, rows: list[int], border_px: int = BORDER_PX) -> torch.Tensor:
        styles = one_hot(rows, len(self.trained.lessons)).to(self.device)
        return self.painter.paint(photo.expand(len(rows), -1, -1, -1), styles, border_px)

    def _correct(self, loss: torch.Tensor, rate: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["pace"]
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.learnable, GRADIENT_NORM)
        self.optimiser.step()
        self.step += 1
        keep = min(AVERAGE, self.step / (self.step + 10))
        with torch.no_grad():
            for name, tensor in self.painter.state_dict().items():
                self.average[name].lerp_(tensor, 1 - keep)

    def _keep_book(self, measured: Measured) -> None:
        for row, content, style in zip(measured.rows, measured.content, measured.style):
            self.trained.lessons[row].count(content, style)
        if self.teaches_photo:
            self.trained.lessons[self.photo_row].count(0.0, 0.0)


def nearest_row(trained: Trained, eye: Vgg, target: Target, photos: list[torch.Tensor], known: list[int]) -> int:
    """The known row whose painting of the photos is nearest to the target: the best place to start from."""

    def distance(row: int) -> float:
        style = one_hot([row], len(trained.lessons))
        with torch.no_grad():
            seen = [eye(losses.halved(trained.painter.paint(photo, style))) for photo in photos]
        return sum(losses.style_loss(features, target.far, losses.FAR).item() for features in seen)

    return min(known, key=distance)

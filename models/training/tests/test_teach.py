"""What a lesson is made of: rows for each size of square, and pictures that hang anywhere."""

import random

import pytest
import torch
import torch.nn.functional as F

from .. import losses
from ..checkpoint import PHOTO, Lesson, Trained
from ..data import Photos, in_both_sizes
from ..losses import Weights
from ..network import SHAPES
from ..teach import Teacher, hang, part
from .conftest import random_painter, style


def test_a_picture_hangs_anywhere_and_is_found_again():
    image, found = torch.rand(1, 3, 40, 40), set()
    for seed in range(20):
        hung = hang(random.Random(seed), 40, 8, 32, "cpu")
        given = part(image, hung.given)
        top, left = (int(own[0]) for own in hung.own)
        assert torch.equal(given, F.pad(image, (left, 24 - left, top, 24 - top), mode="reflect"))
        assert torch.equal(part(given, hung.own), image)
        found |= {top, left}
    assert min(found) >= 8 and max(found) <= 16 and len(found) > 4


@pytest.mark.parametrize("crop_px, names", [(88, {"waves"}), (92, {"waves", "waves/large"}), (40, {"waves", "waves/large"})])
def test_large_strokes_are_taught_on_large_squares(crop_px, names, eye, photos):
    small, large = in_both_sizes([style("waves")])
    trained = Trained("lite", random_painter(SHAPES["lite"]), [Lesson(PHOTO, None), Lesson(small.name, small), Lesson(large.name, large)])
    image = torch.rand(1, 3, 160, 160)
    targets = {row: losses.painting_target(eye, image) for row in (1, 2)}
    # The painting is 160 pixels wide, and 320 in its large size.
    teacher = Teacher(trained, eye, targets, Photos(photos, 1), Weights(), 2, 1, "cpu", [crop_px])
    dealt = {trained.lessons[row].name for row in teacher._deal(crop_px, 8)}
    assert dealt == names

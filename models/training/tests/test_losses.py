"""The losses: nothing to correct at the goal, the weights of VGG as they should be."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from .. import gatys, losses, vgg
from ..problems import Problem
from .conftest import vgg_weights


def test_the_painting_has_no_style_loss_and_the_photo_no_content_loss(eye):
    photo = torch.rand(1, 3, 64, 64)
    seen = losses.perceptual_losses(eye, photo, losses.photo_content(eye, photo), losses.painting_target(eye, photo))
    assert seen.content.item() < 1e-8 and seen.style.item() < 1e-6


def test_each_picture_of_a_batch_is_measured_against_its_own_painting(eye):
    first, second = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64) * 0.3
    target = losses.stacked([losses.painting_target(eye, image) for image in (first, second)])
    wanted = losses.photo_content(eye, first)
    assert losses.perceptual_losses(eye, torch.cat([first, second]), wanted, target).style.max() < 1e-6
    assert losses.perceptual_losses(eye, torch.cat([second, first]), wanted, target).style.min() > 0.1


def test_only_a_picture_with_a_grid_has_a_grid_loss():
    smooth = torch.linspace(0, 1, 512).expand(1, 3, 64, 512)
    mesh = 0.1 * (torch.arange(512) % 4 == 0)
    assert losses.grid_loss(smooth) < 1e-6
    for way in (smooth + mesh, (smooth + mesh).transpose(2, 3)):
        assert losses.grid_loss(way) > 1e-3


def test_only_a_picture_with_stairs_has_a_seam_loss():
    torch.manual_seed(0)
    fine = torch.rand(1, 3, 256, 256)
    assert losses.seam_loss(fine) < 0.02
    assert losses.seam_loss(torch.full((1, 3, 64, 64), 0.5)) == 0
    cells = F.interpolate(torch.rand(1, 3, 64, 256), scale_factor=(4.0, 1.0))
    for way in (cells, cells.transpose(2, 3)):
        assert losses.seam_loss(way) > 1


def test_caffes_and_torchvisions_files_give_the_same_eye(eye, tmp_path):
    weights = {name: torch.from_numpy(values.astype(np.float32)) for name, values in vgg_weights().items()}
    deviation = torch.tensor(vgg.IMAGENET_STD).view(1, 3, 1, 1)
    weights["conv1_1.weight"] = weights["conv1_1.weight"].flip(1) * 255 * deviation
    state = {
        f"features.{index}.{part}": weights[f"{name}.{part}"]
        for name, index in zip(vgg.LAYERS, vgg.TORCHVISION_INDEX)
        for part in ("weight", "bias")
    }
    torch.save(state, tmp_path / "vgg16.pth")
    image = torch.rand(1, 3, 32, 32)
    ours, theirs = eye(image), vgg.load(tmp_path / "vgg16.pth")(image)
    middle = ours["relu1_2"][:, :, 4:-4, 4:-4], theirs["relu1_2"][:, :, 4:-4, 4:-4]
    # The two training sets' mean colours differ by up to 0.0013 of the range.
    assert (middle[0] - middle[1]).abs().max() < 0.02 * middle[0].abs().max()


def test_wrong_weights_are_refused(tmp_path):
    weights = vgg_weights()
    weights["conv3_1.weight"] = weights["conv3_1.weight"][:, :5]
    np.savez(tmp_path / "cut.npz", **weights)
    with pytest.raises(Problem, match="conv3_1.weight"):
        vgg.load(tmp_path / "cut.npz")
    np.savez(tmp_path / "other.npz", something=np.zeros(3))
    with pytest.raises(Problem, match="missing"):
        vgg.load(tmp_path / "other.npz")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(Problem, match="cannot read"):
        vgg.load(tmp_path / "text.pth")
    with pytest.raises(Problem, match="download.pytorch.org"):
        vgg.load(tmp_path / "missing.pth")


def test_the_slow_reference_gets_better(eye):
    torch.manual_seed(0)
    photo = torch.rand(1, 3, 32, 32)
    target = losses.painting_target(eye, torch.rand(1, 3, 32, 32) * 0.5)
    judge = gatys.Judge(eye, photo, target, losses.Weights())
    points = list(gatys.optimise(judge, marks=[0, 1, 2]))
    assert [point.iteration for point in points] == [0, 1, 2]
    assert points[2].total < points[1].total < points[0].total
    assert points[0].content < 1e-8

"""Checkpoints: whole or not at all, and only into the network that they belong to."""

import errno
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from .. import checkpoint
from ..data import Photos
from ..grow import grown
from ..network import SHAPES
from ..problems import Problem
from .conftest import random_painter


def test_a_network_survives_the_way_to_disk_and_back(lite, tmp_path):
    checkpoint.write(tmp_path / "a" / "lite.pt", lite, {"step": 7})
    back, progress = checkpoint.read(tmp_path / "a" / "lite.pt", "lite")
    assert progress == {"step": 7} and back.lessons == lite.lessons
    for name, tensor in lite.painter.state_dict().items():
        assert torch.equal(tensor, back.painter.state_dict()[name])


def test_a_shipped_checkpoint_is_small_and_paints_the_same(lite, tmp_path):
    checkpoint.write(tmp_path / "lite.pt", lite)
    assert (tmp_path / "lite.pt").stat().st_size < 4e5
    back, _ = checkpoint.read(tmp_path / "lite.pt")
    photo, blend = torch.rand(1, 3, 64, 96), torch.tensor([[0.0, 0.5, 0.5]])
    with torch.no_grad():
        assert (back.painter(photo, blend) - lite.painter(photo, blend)).abs().max() < 1 / 255


def test_a_full_disk_leaves_the_old_file(lite, tmp_path, monkeypatch):
    path = tmp_path / "lite.pt"
    checkpoint.write(path, lite)
    before = path.read_bytes()

    def full(_, part):
        part.write_bytes(b"half a fi")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(Problem, match="No space left"):
        checkpoint.write(path, lite)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_what_is_no_checkpoint_is_refused(lite, tmp_path):
    path = tmp_path / "lite.pt"
    path.write_bytes(b"nothing")
    with pytest.raises(Problem, match="cannot read"):
        checkpoint.read(path)
    with pytest.raises(Problem, match="cannot read"):
        checkpoint.read(tmp_path / "missing.pt")


def test_a_checkpoint_of_another_shape_is_refused(lite, tmp_path, monkeypatch):
    checkpoint.write(tmp_path / "lite.pt", lite)
    narrower = replace(lite.painter.shape, width=48)
    monkeypatch.setitem(checkpoint.SHAPES, "lite", narrower)
    with pytest.raises(Problem, match="width=64.*width=48"):
        checkpoint.read(tmp_path / "lite.pt", "lite")
    with pytest.raises(Problem, match="width=64.*width=48"):
        checkpoint.start(tmp_path / "lite.pt", "lite", None)


def test_full_grows_from_lite_and_paints_at_first_as_lite_does_on_a_picture_of_twice_the_size(lite, tmp_path):
    checkpoint.write(tmp_path / "lite.pt", lite, {"step": 7})
    full, progress = checkpoint.start(tmp_path / "lite.pt", "full", None)
    assert (full.network, progress, full.lessons) == ("full", None, lite.lessons)
    photo, blend = torch.rand(1, 3, 64, 96), torch.tensor([[0.0, 0.5, 0.5]])
    with torch.no_grad():
        large = lite.painter(F.interpolate(photo, scale_factor=2.0), blend)
        assert torch.allclose(full.painter(photo, blend), F.avg_pool2d(large, 2), atol=1e-4)
    checkpoint.write(tmp_path / "full.pt", full, {"step": 8})
    assert checkpoint.start(tmp_path / "full.pt", "full", None)[1] == {"step": 8}


def test_a_network_does_not_lose_whole_layers(lite, tmp_path):
    checkpoint.write(tmp_path / "lite.pt", lite)
    with pytest.raises(Problem, match="width=64.*width=48"):
        checkpoint.start(tmp_path / "lite.pt", "nano", None)


def test_a_wide_network_loses_just_the_channels_that_nothing_listens_to(lite, tmp_path, photos):
    narrow = SHAPES["lite"]
    lite.painter = random_painter(replace(narrow, expansion=narrow.expansion + 32))
    with torch.no_grad():
        for block in lite.painter.blocks:
            block.narrow.weight[:, torch.randperm(narrow.expansion + 32)[:32]] = 0
    checkpoint.write(tmp_path / "wide.pt", lite, {"step": 7})
    started, progress = checkpoint.start(tmp_path / "wide.pt", "lite", Photos(photos, 1))
    assert (started.painter.shape, progress, started.lessons) == (narrow, None, lite.lessons)
    photo, blend = torch.rand(1, 3, 64, 96), torch.tensor([[0.0, 0.5, 0.5]])
    with torch.no_grad():
        painted, expected = started.painter(photo, blend), lite.painter(photo, blend)
    assert F.mse_loss(painted, expected) < 1e-4 * expected.var()


def test_copies_of_a_channel_learn_different_things(lite):
    full = grown(lite.painter, SHAPES["full"])
    full(torch.rand(1, 3, 64, 96), torch.tensor([[0.0, 0.5, 0.5]])).square().sum().backward()
    known, larger = lite.painter.shape.expansion, full.shape.expansion
    learnt = full.blocks[0].widen.weight.grad
    assert (learnt[: larger - known] - learnt[known:]).abs().max() > 1e-3

"""Checkpoints: whole or not at all, and only into the network that they belong to."""

import errno
from dataclasses import replace

import pytest
import torch

from .. import checkpoint
from ..checkpoint import Trained
from ..fit import fitted
from ..network import SHAPES, split_row
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
    assert (tmp_path / "lite.pt").stat().st_size < 1e6
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


def test_a_network_of_another_shape_starts_with_what_fits(lite, tmp_path):
    known = random_painter(replace(SHAPES["lite"], deep=None))
    checkpoint.write(tmp_path / "shallow.pt", Trained("lite", known, lite.lessons), {"step": 7})
    deep, progress = checkpoint.start(tmp_path / "shallow.pt", "lite")
    assert (deep.network, deep.painter.shape, progress, deep.lessons) == ("lite", SHAPES["lite"], None, lite.lessons)
    started = deep.painter
    assert torch.equal(started.join.weight, known.join.weight)
    assert torch.equal(started.blocks[1].spread.weight, known.blocks[1].spread.weight)
    # What both have of a style, in other places of a longer row.
    scales = [dict(zip(p.shape.conditioned, split_row(p.rows[1][None], p.shape)))["lateral"][0] for p in (known, started)]
    assert torch.equal(*scales) and not torch.equal(scales[0], torch.ones_like(scales[0]))
    checkpoint.write(tmp_path / "deep.pt", deep, {"step": 8})
    assert checkpoint.start(tmp_path / "deep.pt", "lite")[1] == {"step": 8}


def test_deeper_levels_change_nothing_before_they_learn():
    shallow = random_painter(replace(SHAPES["lite"], deep=None))
    deep = fitted(shallow, SHAPES["lite"])
    photo, blend = torch.rand(1, 3, 64, 96), torch.tensor([[0.0, 0.5, 0.5]])
    with torch.no_grad():
        assert torch.equal(deep(photo, blend), shallow(photo, blend))

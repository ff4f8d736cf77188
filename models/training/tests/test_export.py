"""The exported file paints what PyTorch paints, and its manifest says what is in it."""

import hashlib
import tomllib

import numpy as np
import pytest
import torch

from .. import checkpoint, export
from ..network import SHAPES
from ..problems import Problem
from .conftest import random_painter


@pytest.mark.parametrize("network", SHAPES)
def test_onnx_runtime_agrees_with_pytorch_on_random_sizes_and_blends(network):
    painter = random_painter(SHAPES[network])
    model = export.to_onnx(painter)
    runtime, random = export.session(model.SerializeToString()), np.random.default_rng(3)
    for _ in range(4):
        height, width = painter.shape.multiple * random.integers(2, 10, 2)
        image = random.random((1, 3, height, width), np.float32)
        style = random.dirichlet([1, 1, 1]).astype(np.float32)
        with torch.no_grad():
            expected = painter(torch.from_numpy(image), torch.from_numpy(style)[None])
        (cells,) = runtime.run(None, {"image": image, "style": style})
        assert np.abs(export.picture_of(cells, painter.shape.cell_px) - expected.numpy()).max() < export.TOLERANCE


def test_export_writes_network_and_manifest(lite, tmp_path):
    lite.lessons[1].style = type(lite.lessons[1].style)("waves", 'A "wave"', "N. N.", "1831", "w.png")
    checkpoint.write(tmp_path / "lite.pt", lite)
    export.export(tmp_path / "lite.pt", tmp_path)
    manifest = tomllib.loads((tmp_path / "lite.toml").read_text())
    assert manifest["sha256"] == hashlib.sha256((tmp_path / "lite.onnx").read_bytes()).hexdigest()
    assert (manifest["input"]["size"]["border"], manifest["output"]["cells"]) == (8, 4)
    assert manifest["style_input"]["count"] == len(manifest["style"]) == 3
    assert [style["name"] for style in manifest["style"]] == ["photo", "waves", "dots"]
    assert [style["row"] for style in manifest["style"]] == [0, 1, 2]
    assert manifest["style"][1]["title"] == 'A "wave"'
    assert manifest["style"][2]["training"] == {"steps": 5, "content_loss": 0.5, "style_loss": 0.25}


def test_a_style_in_both_sizes_is_one_style_with_two_rows(lite, tmp_path):
    lite.lessons[2].name = "waves/large"
    checkpoint.write(tmp_path / "lite.pt", lite)
    export.export(tmp_path / "lite.pt", tmp_path)
    manifest = tomllib.loads((tmp_path / "lite.toml").read_text())
    assert [(style["name"], style["row"], style.get("large_row")) for style in manifest["style"]] == [("photo", 0, None), ("waves", 1, 2)]
    assert manifest["style_input"]["count"] == 3


def test_a_network_that_disagrees_is_not_written(lite, tmp_path, monkeypatch):
    checkpoint.write(tmp_path / "lite.pt", lite)
    monkeypatch.setattr(export, "largest_difference", lambda *_: 0.5)
    with pytest.raises(Problem, match="differ"):
        export.export(tmp_path / "lite.pt", tmp_path)
    assert not (tmp_path / "lite.onnx").exists()

"""The pack for a fast card: small, complete, and enough to train from."""

import torch
from PIL import Image

from .. import __main__, checkpoint
from ..data import HeldPhotos, Photos, open_rgb
from ..device import pack as packing


def test_a_pack_is_all_that_a_run_needs(tmp_path, photos, painting, vgg_file, monkeypatch, capsys):
    styles = tmp_path / "styles.toml"
    styles.write_text(f'[[style]]\nname = "stripes"\ntitle = "T"\nartist = "A"\nyear = "1"\nfile = "{painting.name}"\nlong_side_px = 160\n')
    pack, run = tmp_path / "pack", tmp_path / "run"
    common = ["--styles", str(styles)]
    made = ["pack", "--to", str(pack), "--photos", str(photos), "--paintings", str(painting.parent), "--vgg", str(vgg_file), *common]
    assert __main__.main(made) == 0
    assert "3 photographs" in capsys.readouterr().out
    started = ["packed", str(pack), "--run", str(run), *common, "--minutes", "0.0001", "--crop-px", "128", "160", "--photos-a-step", "2"]
    assert __main__.main(started) == 0
    trained, progress = checkpoint.read(run / "state.pt", "lite")
    known = checkpoint.read(checkpoint.shipped("lite"))[0]
    assert progress["step"] == 1 and [lesson.name for lesson in trained.lessons[-2:]] == ["stripes", "stripes/large"]
    assert sum(lesson.steps for lesson in trained.lessons[-2:]) == 4
    assert not torch.equal(trained.painter.stem.weight, known.painter.stem.weight)
    monkeypatch.setattr(packing, "PHOTOS_BYTES", max(path.stat().st_size for path in (pack / "photos").iterdir()))
    assert __main__.main(made) == 0
    assert len(list((pack / "photos").iterdir())) == 1


def test_a_folder_that_is_no_pack_is_refused(tmp_path, capsys):
    assert __main__.main(["packed", str(tmp_path), "--run", str(tmp_path / "run")]) == 1
    assert "./dev train pack" in capsys.readouterr().err


def test_held_photographs_are_those_of_the_folder(photos):
    read, held = Photos(photos, 1), HeldPhotos(Photos(photos, 1), "cpu")
    assert len(held.pictures) == len(read.paths)
    for path, picture in zip(read.paths, held.pictures):
        box = (8.0, 16.0, 88.0, 96.0)
        assert (read.cut(open_rgb(path), box, 64) - held.cut(picture, box, 64)).abs().mean() < 0.02


def test_large_photographs_are_drawn_more_often(tmp_path):
    for side in (60, 240):
        Image.new("RGB", (side, side)).save(tmp_path / f"{side}.png")
    held = HeldPhotos(Photos(tmp_path, 1), "cpu")
    wide = [held.held()[1] for _ in range(400)]
    assert 350 < wide.count(240) < 395


def test_squares_larger_than_the_photographs_are_walls_or_stretched(tmp_path):
    for name, value in (("dark", 0), ("light", 255)):
        Image.new("L", (80, 80), value).save(tmp_path / f"{name}.png")
    for source in (Photos(tmp_path, 1), HeldPhotos(Photos(tmp_path, 1), "cpu")):
        crops = [source.crop(151) for _ in range(24)]
        assert all(crop.shape == (1, 3, 151, 151) for crop in crops)
        uneven = [crop for crop in crops if crop.std() > 0.1]
        assert 4 < len(uneven) < 20
        assert all(crop[..., :75, :75].std() < 1e-3 for crop in uneven)

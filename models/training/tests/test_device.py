"""The pack for a fast card: small, complete, and enough to train from."""

import torch

from .. import __main__, checkpoint
from ..data import HeldPhotos, Photos
from ..device import pack as packing


def test_a_pack_is_all_that_a_run_needs(tmp_path, photos, painting, vgg_file, monkeypatch, capsys):
    styles = tmp_path / "styles.toml"
    styles.write_text(f'[[style]]\nname = "stripes"\ntitle = "T"\nartist = "A"\nyear = "1"\nfile = "{painting.name}"\nlong_side_px = 160\n')
    pack, run = tmp_path / "pack", tmp_path / "run"
    common = ["--styles", str(styles)]
    made = ["pack", "--to", str(pack), "--photos", str(photos), "--paintings", str(painting.parent), "--vgg", str(vgg_file), *common]
    assert __main__.main(made) == 0
    assert "3 photographs" in capsys.readouterr().out
    started = ["packed", str(pack), "--run", str(run), *common, "--minutes", "0.0001", "--crop-px", "128", "--photos-a-step", "2"]
    assert __main__.main(started) == 0
    trained, progress = checkpoint.read(run / "state.pt", "lite")
    known = checkpoint.read(checkpoint.shipped("lite"))[0]
    assert progress["step"] == 1 and trained.lessons[-1].name == "stripes" and trained.lessons[-1].steps == 4
    assert not torch.equal(trained.painter.stem.weight, known.painter.stem.weight)
    monkeypatch.setattr(packing, "PHOTOS_BYTES", max(path.stat().st_size for path in (pack / "photos").iterdir()))
    assert __main__.main(made) == 0
    assert len(list((pack / "photos").iterdir())) == 1


def test_a_folder_that_is_no_pack_is_refused(tmp_path, capsys):
    assert __main__.main(["packed", str(tmp_path), "--run", str(tmp_path / "run")]) == 1
    assert "./dev train pack" in capsys.readouterr().err


def test_held_photographs_are_those_of_the_folder(photos, tmp_path):
    read, held = Photos(photos, 1), HeldPhotos(Photos(photos, 1), "cpu")
    differences = [(read.crop(64) - held.crop(64)).abs().mean() for _ in range(4)]
    assert max(differences) < 0.05

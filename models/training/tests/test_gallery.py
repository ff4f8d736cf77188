"""The gallery: one page of everything, one of blends, and a preview for each style."""

from itertools import product

import torch
from PIL import Image

from .. import __main__, checkpoint


def test_the_gallery_has_every_style(lite, tmp_path, photos):
    checkpoint.write(tmp_path / "lite.pt", lite)
    shown = [str(photos / "0.png"), str(photos / "1.png")]
    folder = tmp_path / "gallery"
    assert __main__.main(["gallery", *shown, "--checkpoint", str(tmp_path / "lite.pt"), "--to", str(folder), "--height", "64"]) == 0
    files = sorted(str(path.relative_to(folder)) for path in folder.glob("**/*.jpg"))
    assert files == ["lite.jpg", "lite_blend.jpg", "previews/lite/dots.jpg", "previews/lite/photo.jpg", "previews/lite/waves.jpg"]
    with Image.open(folder / "lite.jpg") as sheet, Image.open(folder / "lite_blend.jpg") as blends:
        assert sheet.size == (3 * 68, 2 * 64) and blends.size == (5 * 68, 2 * 64)


def test_a_network_with_two_sizes_of_stroke_shows_them(lite, tmp_path, photos):
    lite.lessons[2].name = "waves/large"
    checkpoint.write(tmp_path / "lite.pt", lite)
    folder = tmp_path / "gallery"
    assert __main__.main(["gallery", str(photos / "0.png"), "--checkpoint", str(tmp_path / "lite.pt"), "--to", str(folder), "--height", "64"]) == 0
    files = sorted(str(path.relative_to(folder)) for path in folder.glob("**/*.jpg"))
    assert files == ["lite.jpg", "lite_blend.jpg", "lite_stroke.jpg", "previews/lite/photo.jpg", "previews/lite/waves.jpg"]
    with Image.open(folder / "lite.jpg") as sheet, Image.open(folder / "lite_stroke.jpg") as strokes:
        assert sheet.size == (2 * 68, 64) and strokes.size == (3 * 384, 360)
        small, between, large = (strokes.crop((left, 0, left + 384, 360)).tobytes() for left in (0, 384, 768))
    assert len({small, between, large}) == 3


def test_networks_are_compared_line_by_line(lite, tmp_path, photos):
    checkpoint.write(tmp_path / "lite.pt", lite)
    with torch.no_grad():
        lite.painter.rows[1].copy_(lite.painter.rows[2])
    checkpoint.write(tmp_path / "other.pt", lite)
    files = [str(tmp_path / "lite.pt"), str(tmp_path / "other.pt")]
    sheet = tmp_path / "both.png"
    arguments = ["compare", str(photos / "0.png"), str(sheet), "--checkpoints", *files, "--style-names", "dots", "waves", "--height", "64"]
    assert __main__.main(arguments) == 0
    with Image.open(sheet) as opened:
        cells = {place: opened.crop((68 * place[0], 64 * place[1], 68 * place[0] + 68, 64 * place[1] + 64)).tobytes() for place in product(range(2), range(2))}
    assert opened.size == (2 * 68, 2 * 64)
    assert cells[0, 0] == cells[0, 1] == cells[1, 1] != cells[1, 0]


def test_a_picture_needs_a_name_that_says_its_format(lite, tmp_path, photos, painting, vgg_file, capsys):
    arguments = ["gatys", str(photos / "0.png"), str(painting), str(tmp_path / "painted.what"), "--vgg", str(vgg_file)]
    assert __main__.main([*arguments, "--height", "32", "--iterations", "1"]) == 1
    assert "painted.png" in capsys.readouterr().err

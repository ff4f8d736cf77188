"""Pictures of every kind are read right or refused with a reason."""

import numpy as np
import pytest
from PIL import Image

from ..data import Photos, open_painting, open_rgb, read_styles, to_picture, to_tensor
from ..problems import Problem
from .conftest import picture


def test_grey_cmyk_palette_and_alpha_become_rgb(tmp_path):
    colour = picture(160, 140)
    for name, made in {
        "grey.png": colour.convert("L"), "cmyk.jpg": colour.convert("CMYK"), "palette.gif": colour.convert("P"),
        "two.png": colour.convert("LA"), "bits.png": colour.convert("1"),
    }.items():
        made.save(tmp_path / name)
        assert open_painting(tmp_path / name, 160).mode == "RGB"


def test_sixteen_bits_keep_their_light_and_shade(tmp_path):
    ramp = np.linspace(0, 65535, 160 * 160).reshape(160, 160).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    values = np.asarray(open_rgb(tmp_path / "deep.png"))
    assert values.min() == 0 and values.max() == 255 and 126 < values.mean() < 129


def test_alpha_is_laid_on_white(tmp_path):
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert open_rgb(tmp_path / "clear.png").getpixel((3, 3)) == (255, 255, 255)


def test_a_phone_picture_is_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(200, 100).save(tmp_path / "turned.jpg", exif=exif)
    assert open_rgb(tmp_path / "turned.jpg").size == (100, 200)


def test_a_painting_is_scaled_to_the_asked_size(tmp_path):
    picture(2000, 1000).save(tmp_path / "huge.png")
    assert open_painting(tmp_path / "huge.png", 400).size == (400, 200)


@pytest.mark.parametrize("data, reason", [(b"no picture", "cannot read"), (b"", "cannot read")])
def test_a_painting_that_is_no_picture_is_refused(tmp_path, data, reason):
    (tmp_path / "painting.jpg").write_bytes(data)
    with pytest.raises(Problem, match=reason):
        open_painting(tmp_path / "painting.jpg", 400)


def test_a_tiny_or_missing_painting_is_refused(tmp_path):
    picture(40, 30).save(tmp_path / "tiny.png")
    with pytest.raises(Problem, match="40x30"):
        open_painting(tmp_path / "tiny.png", 400)
    with pytest.raises(Problem, match="cannot read"):
        open_painting(tmp_path / "missing.png", 400)


def test_broken_photos_are_left_out(tmp_path, capsys):
    picture(90, 80).save(tmp_path / "good.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 and nothing more")
    photos = Photos(tmp_path, seed=1)
    for _ in range(8):
        assert photos.crop(64).shape == (1, 3, 64, 64)
    assert capsys.readouterr().err.count("left out") == 1


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(Problem, match="no photographs"):
        Photos(tmp_path, seed=1)
    (tmp_path / "broken.jpg").write_bytes(b"")
    with pytest.raises(Problem, match="broken"):
        Photos(tmp_path, seed=1).crop(64)


def test_pictures_survive_the_way_to_a_tensor_and_back():
    made = picture(24, 16)
    assert np.array_equal(np.asarray(to_picture(to_tensor(made))), np.asarray(made))


def test_a_list_of_styles_with_a_mistake_is_refused(tmp_path):
    path = tmp_path / "styles.toml"
    for text in ["style = 1", "[[style]]\nname = 'a'", "[[style", "[[style]]\nname='a'\ntitle=''\nartist=''\nyear=''\nfile=''\nspeed=1"]:
        path.write_text(text)
        with pytest.raises(Problem, match="styles.toml"):
            read_styles(path)

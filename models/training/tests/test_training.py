"""The loops: a run that stops and goes on, and a style added without touching the others."""

import csv

import pytest
import torch

from .. import __main__, checkpoint, train


def arguments(command, photos, vgg_file, *more):
    return [command, *more, "--photos", str(photos), "--vgg", str(vgg_file)]


def test_a_run_goes_on_where_it_stopped(tmp_path, photos, painting, vgg_file, monkeypatch):
    monkeypatch.setattr(train, "COPY_STEPS", 2)
    styles = tmp_path / "styles.toml"
    entry = '[[style]]\nname = "{}"\ntitle = "T"\nartist = "A"\nyear = "1"\nfile = "stripes.png"\nlong_side_px = 160\n'
    run = tmp_path / "run"

    def train_for_a_moment(names, *length):
        styles.write_text("\n".join(entry.format(name) for name in names))
        more = ["--styles", styles, "--paintings", painting.parent, "--run", run, "--samples", painting, *length]
        return __main__.main(arguments("trunk", photos, vgg_file, *map(str, more)))

    assert train_for_a_moment(["one"], "--minutes", "0.0001") == 0
    copied, first = checkpoint.read(run / "state.pt")
    assert copied.lessons[0].steps > first["step"]
    assert train_for_a_moment(["one", "two"], "--steps", "2", "--crop-px", "130") == 0
    trained, second = checkpoint.read(run / "state.pt")
    assert second["step"] == first["step"] + 2 > 2
    assert [lesson.name for lesson in trained.lessons] == ["photo", "one", "one/large", "two", "two/large"]
    assert checkpoint.read(run / "lite.pt")[1] is None
    with (run / "losses.csv").open() as file:
        assert {line["style"] for line in csv.DictReader(file)} <= {"one", "one/large", "two", "two/large"}
    assert list(run.glob("samples_*.jpg"))


def test_adding_a_style_leaves_the_others_bit_identical(lite, tmp_path, photos, painting, vgg_file):
    path = tmp_path / "lite.pt"
    checkpoint.write(path, lite)
    before, _ = checkpoint.read(path)
    more = [str(painting), "--name", "stripes", "--checkpoint", str(path), "--minutes", "0.0001", "--long-side-px", "160"]
    assert __main__.main(arguments("add", photos, vgg_file, *more)) == 0
    after, _ = checkpoint.read(path)
    assert [lesson.name for lesson in after.lessons] == ["photo", "waves", "dots", "stripes"]
    assert after.lessons[3].steps >= 1 and after.lessons[:3] == lite.lessons
    new = after.painter.state_dict()
    for name, tensor in before.painter.state_dict().items():
        assert torch.equal(tensor, new[name]), name
    assert not any(torch.equal(after.painter.rows[3], row) for row in after.painter.rows[:3])


def test_a_length_or_a_size_that_cannot_be_is_refused(tmp_path, photos, painting, vgg_file, capsys):
    for option, value in (("--steps", "0"), ("--minutes", "0"), ("--crop-px", "64"), ("--steps", "many")):
        more = ["--paintings", str(painting.parent), "--run", str(tmp_path / "run"), option, value]
        with pytest.raises(SystemExit):
            __main__.main(arguments("trunk", photos, vgg_file, *more))
        assert f"argument {option}: " in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_name_that_is_taken_is_refused(lite, tmp_path, photos, painting, vgg_file, capsys):
    checkpoint.write(tmp_path / "lite.pt", lite)
    more = [str(painting), "--name", "dots", "--checkpoint", str(tmp_path / "lite.pt")]
    assert __main__.main(arguments("add", photos, vgg_file, *more)) == 1
    assert "already has a style 'dots'" in capsys.readouterr().err

"""The measurements measure what they say."""

import importlib.util
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from .. import __main__, checkpoint, export
from ..problems import Problem
from ..proof import colours, curve, flicker, frame, int8, layers, networks, speed


@pytest.fixture
def exported(lite, tmp_path):
    checkpoint.write(tmp_path / "lite.pt", lite)
    export.export(tmp_path / "lite.pt", tmp_path)
    return tmp_path / "lite.onnx"


def test_speed_compares_with_the_first_network(exported, capsys, monkeypatch):
    monkeypatch.setattr(speed, "SIZES", [(64, 32)])
    arguments = ["speed", str(exported), f"{exported}=255", "--threads", "1", "--rounds", "1", "--seconds", "0"]
    assert __main__.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and "64x32" in lines[2] and lines[2].endswith("| 1.0 |") and "| lite |" in lines[3]


def test_the_arithmetic_of_all_layers_is_told_and_their_times_are_shared_out(exported, lite, capsys, monkeypatch):
    monkeypatch.setattr(layers, "SUMMED", (1, 8, 64, 64))
    flop = []
    for module in lite.painter.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda conv, _, seen: flop.append(2 * conv.weight.numel() * seen.shape[2] * seen.shape[3]))
    # With its border: the size at which the file is run, too.
    lite.painter(torch.zeros(1, 3, 256, 320), torch.tensor([[1.0, 0.0, 0.0]]))
    assert __main__.main(["layers", str(exported), "--picture", "304", "240", "--runs", "2"]) == 0
    abilities, _, _, _, *lines = capsys.readouterr().out.splitlines()
    assert "GFLOP/s" in abilities and "GB/s" in abilities
    told = [[part.strip() for part in line.strip("|").split("|")] for line in lines]
    assert told[-1][0].endswith("together") and told[-1][4] == f"{sum(flop) / 1e9:.2f}"
    assert {"1/1", "1/4", "1/8"} & {each[1] for each in told} and any("5x5, depthwise" in each[0] for each in told)
    for lines in ([each for each in told[:-1] if each[1] != "all"], [each for each in told[:-1] if each[1] == "all"]):
        assert abs(sum(float(each[2]) for each in lines) - float(told[-1][2])) < 0.1
    assert {"11 norms", "9 depthwise convolutions", "25 dense convolutions"} <= {each[0] for each in told}


def test_a_machine_without_openvino_is_told(exported, capsys):
    if importlib.util.find_spec("openvino"):
        pytest.skip("OpenVINO is installed")
    assert __main__.main(["layers", str(exported), "--runtime", "openvino"]) == 1
    assert "pip install openvino" in capsys.readouterr().err


def test_a_network_in_eight_bits_is_written_and_compared(exported, lite, photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(int8, "SIZE", (64, 32))
    monkeypatch.setattr(int8, "CALIBRATED_SIZE", (64, 64))
    arguments = ["int8", str(exported), "--photos", str(photos), "--pictures", str(photos / "0.png"), "--rounds", "1", "--to", str(tmp_path)]
    assert __main__.main(arguments) == 0
    _, _, *lines = capsys.readouterr().out.splitlines()
    told = {name: [float(number) for number in rest] for name, *rest in ([part.strip() for part in line.strip("|").split("|")] for line in lines)}
    assert list(told) == ["all", "all but the first and the last", "nor depthwise ones"]
    for mean, least, ratio in told.values():
        # It paints nearly the same, and not the very same.
        assert 15 < least <= mean < 80 and ratio > 0
    counts = [[node.op_type for node in onnx.load(path).graph.node].count("DequantizeLinear") for path in sorted(tmp_path.glob("lite-*.onnx"))]
    assert len(counts) == 3 and len(set(counts)) == 3 and min(counts) > 0
    assert __main__.main([*arguments[:3], str(tmp_path), *arguments[4:]]) == 1
    assert "there are no photographs" in capsys.readouterr().err


def test_a_moved_picture_seen_along_its_flow_is_the_picture():
    first = np.random.default_rng(0).random((1, 3, 24, 32), np.float32)
    second, flow = np.roll(first, (2, 3), axis=(2, 3)), np.full((24, 32, 2), (3, 2), np.float32)
    flow[5, 5] = 1e9
    seen, inside = flicker.look_along(second, flow)
    assert not inside[5, 5] and not inside[:, -4:].any() and inside[10, 10]
    assert np.abs(seen - first)[:, :, inside].max() < 1e-6


def test_a_frame_is_told_in_levels(capsys):
    class Framed:
        def paint(self, image, style):
            painted = image.copy()
            painted[:, :, :, :10] += 10 / 255
            painted[:, :, 150:, 200] += 2 / 255
            return painted

    assert abs(frame.frame_of(Framed(), 0) - 8) < 0.1


def test_a_side_that_is_painted_more_is_told():
    class Leaning:
        def __init__(self, least):
            self.least = least

        def paint(self, image, style):
            strength = np.linspace(1, self.least, image.shape[3], dtype=np.float32)
            return image + strength * 0.1 * np.random.default_rng(1).standard_normal(image.shape, np.float32)

    assert abs(frame.lean_of(Leaning(1.0), 0) - 1) < 0.05
    assert 1.6 < frame.lean_of(Leaning(0.5), 0) < 2.1


def test_colours_are_as_far_apart_as_in_cielab():
    grey, light = (torch.full((1, 3, 32, 32), value) for value in (0.4663, 0.7331))
    assert [round(part) for part in colours.lab(grey)[:, 0].tolist()] == [50, 0, 0]
    assert colours.distance(grey, grey) == 0
    # Twenty-five levels of lightness, seen along all directions of space: half of them in the mean.
    assert 10 < colours.distance(grey, light) < 15
    torch.manual_seed(0)
    noise = torch.rand(1, 3, 64, 64)
    mixed = noise.flatten(2)[:, :, torch.randperm(64 * 64)].reshape(noise.shape)
    assert colours.distance(noise, mixed) < 1e-4


def test_local_contrast_is_that_of_neighbours():
    torch.manual_seed(0)
    noise, shade = torch.rand(1, 1, 64, 64), torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    assert colours.local_contrast(noise.expand(-1, 3, -1, -1)) > 3 * colours.local_contrast(shade.expand(-1, 3, -1, -1)) > 0
    assert colours.local_contrast(torch.full((1, 3, 64, 64), 0.5)) < 1e-3


def test_flow_files_are_read_and_others_refused(tmp_path):
    flow = np.arange(2 * 3 * 2, dtype=np.float32).reshape(2, 3, 2)
    header = np.float32(flicker.FLOW_MAGIC).tobytes() + np.int32([3, 2]).tobytes()
    (tmp_path / "a.flo").write_bytes(header + flow.tobytes())
    assert np.array_equal(flicker.read_flow(tmp_path / "a.flo"), flow)
    (tmp_path / "b.flo").write_bytes(header)
    with pytest.raises(Problem, match="no flow file"):
        flicker.read_flow(tmp_path / "b.flo")


def test_a_style_painted_by_the_file_is_the_one_asked_for(exported, lite):
    image = np.random.default_rng(1).random((1, 3, 32, 48), np.float32)
    painted = networks.open_network(str(exported)).paint(image, style=2)
    with torch.no_grad():
        expected = lite.painter.paint(torch.from_numpy(image), torch.tensor([[0.0, 0.0, 1.0]])).clamp(0, 1)
    assert np.abs(painted - expected.numpy()).max() < export.TOLERANCE


def test_a_row_that_is_not_there_is_refused(exported, photos, capsys):
    assert __main__.main(["flicker", str(exported), "--stills", str(photos / "0.png"), "--style-rows", "7"]) == 1
    assert "there is no row 7" in capsys.readouterr().err


def test_flicker_is_told_beside_what_the_painting_costs(exported, photos, painting, vgg_file, capsys):
    arguments = ["flicker", str(exported), "--stills", str(photos / "0.png"), "--painting", str(painting), "--long-side-px", "160"]
    assert __main__.main(arguments) == 1
    assert "--vgg" in capsys.readouterr().err
    assert __main__.main([*arguments, "--vgg", str(vgg_file)]) == 0
    heading, _, line = capsys.readouterr().out.splitlines()
    told = dict(zip(heading.split(" | "), line.split(" | ")))
    assert 0 < float(told["content"]) < 20 and 0 < float(told["style |"].rstrip(" |")) < 20


def test_the_losses_of_each_style_are_told_and_how_far_photo_is_off(lite, tmp_path, photos, painting, vgg_file, capsys):
    for lesson in lite.lessons[1:]:
        lesson.style = replace(lesson.style, file=painting.name)
    checkpoint.write(tmp_path / "lite.pt", lite)
    arguments = ["losses", str(tmp_path / "lite.pt"), "--pictures", str(photos / "0.png"), str(photos / "1.png"),
                 "--paintings", str(painting.parent), "--vgg", str(vgg_file), "--height", "64"]
    assert __main__.main(arguments) == 0
    *lines, photo = capsys.readouterr().out.splitlines()
    told = {line.split(" | ")[0]: [float(part.strip(" |")) for part in line.split(" | ")[1:]] for line in lines[3:]}
    assert lines[1].endswith("| content | style | forms | colours | contrast |")
    assert list(told) == ["| waves", "| dots", "| mean"] and told["| waves"] != told["| dots"]
    for mean, *each in zip(told["| mean"], told["| waves"], told["| dots"]):
        assert 0 < mean < 100 and abs(mean - sum(each) / 2) < 0.11
    assert photo.startswith("photo is off by 0 ") and ", 1 " in photo


def test_the_curve_measures_only_what_its_table_lacks(exported, lite, tmp_path, photos, painting, vgg_file, monkeypatch, capsys):
    monkeypatch.setattr(curve, "MARKS", [0, 1, 2])
    for lesson in lite.lessons[1:]:
        lesson.style = replace(lesson.style, file=painting.name)
    checkpoint.write(tmp_path / "lite.pt", lite)
    table = tmp_path / "curve.csv"
    arguments = ["curve", str(table), str(exported), "--checkpoint", str(tmp_path / "lite.pt"), "--paintings", str(painting.parent),
                 "--vgg", str(vgg_file), "--side", "48", "--style-names", "waves", "--pictures"]
    assert __main__.main([*arguments, str(photos / "0.png")]) == 0
    first = table.read_text().splitlines()
    assert len(first) == 2 and first[1].startswith("0,waves,") and table.with_suffix(".png").exists()
    assert __main__.main([*arguments, str(photos / "0.png"), str(photos / "1.png")]) == 0
    second = table.read_text().splitlines()
    assert second[:2] == first and second[2].startswith("1,waves,")
    assert "| lite |" in capsys.readouterr().out
    table.write_text("photo,style\n0,waves\n")
    assert __main__.main([*arguments, str(photos / "0.png")]) == 1


def test_the_iteration_that_equals_the_network():
    totals = [9.0, 5.0, 3.0]
    assert curve.equal_iteration(totals, 7.0) == 5
    assert curve.equal_iteration(totals, 4.0) == 10 + 15 / 2
    assert curve.equal_iteration(totals, 9.5) is None and curve.equal_iteration(totals, 2.0) is None


def test_a_runtime_without_cuda_is_told(capsys):
    assert __main__.main(["card", "models/lite.onnx"]) == 1
    assert "onnxruntime-gpu" in capsys.readouterr().err

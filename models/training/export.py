"""Export: writes the network to ONNX node by node, checks it against PyTorch, and writes its manifest."""

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import ModuleList

from . import checkpoint
from .checkpoint import PHOTO, Lesson, Trained
from .data import LARGE
from .network import BORDER_PX, NORM_EPSILON, REACH, Below, Painter
from .problems import Problem

OPSET, IR_VERSION = 17, 8
SMALLEST_PX = 64
TOLERANCE = 1 / 255
CHECKED_SIZES = [(64, 64), (96, 160), (352, 640), (480, 288)]
TITLES = {
    "nano": "Nano: three quarters of lite's time, for small machines",
    "lite": "Lite: real time on a laptop CPU",
    "full": "Full: finer strokes and larger forms, for files and fast machines",
}
LICENCE = "MIT OR Apache-2.0"
PHOTO_ENTRY = {"title": "The unpainted picture", "artist": "the camera", "year": "now", "licence": LICENCE}


class Graph:
    """Collects the nodes and weights of an ONNX graph; tensors are named after what makes them."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def constant(self, name: str, values) -> str:
        array = values.detach().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operation: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(operation, inputs, [output], name=output, **attributes))
        return output

    def conv(self, x: str, conv: torch.nn.Conv2d, name: str, pads: list[int] | None = None) -> str:
        inputs = [x, self.constant(f"{name}.weight", conv.weight)]
        if conv.bias is not None:
            inputs.append(self.constant(f"{name}.bias", conv.bias))
        shape = {"kernel_shape": list(conv.kernel_size), "strides": list(conv.stride), "dilations": list(conv.dilation), "group": conv.groups}
        return self.node("Conv", inputs, name, pads=pads or list(conv.padding) * 2, **shape)

    def relu(self, x: str) -> str:
        return self.node("Relu", [x], f"{x}.relu")


def to_onnx(painter: Painter) -> onnx.ModelProto:
    """The same computation as `Painter.forward` for one picture; the weights come as f32[N].

    It ends with the cells of pixels: whoever runs it puts them in their places while it converts them, which saves a
    pass over the picture (`cells` in the manifest).
    """
    graph = Graph()
    mixed = graph.node("MatMul", ["style", graph.constant("rows", torch.stack(list(painter.rows)))], "row")
    sizes = [channels for channels in painter.shape.conditioned.values() for _ in range(2)]
    parts = [f"layer{layer}.{part}" for layer in range(len(painter.shape.conditioned)) for part in ("scale", "offset")]
    graph.nodes.append(helper.make_node("Split", [mixed, graph.constant("row.sizes", np.array(sizes, np.int64))], parts, axis=0))
    norms = itertools.count()
    detail = graph.relu(graph.conv("image", painter.stem, "stem"))
    x = through(graph, painter.blocks, painter.below, graph.relu(graph.conv(detail, painter.down, "down")), norms, "")
    x = graph.conv(style_norm(graph, x, next(norms)), painter.lateral, "lateral")
    x = graph.node("Concat", [doubled(graph, x), detail], "joined", axis=1)
    x = graph.relu(graph.conv(graph.conv(x, painter.join_spread, "join_spread"), painter.join, "join"))
    graph.conv(x, painter.paint_cells, "painted", pads=[0, 0, 1, 1])

    cells = [1, painter.paint_cells.out_channels, "cells_high", "cells_wide"]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "impasto",
            [
                helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"]),
                helper.make_tensor_value_info("style", TensorProto.FLOAT, [len(painter.rows)]),
            ],
            [helper.make_tensor_value_info("painted", TensorProto.FLOAT, cells)],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="impasto",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def through(graph: Graph, blocks: ModuleList, below: Below | None, x: str, norms: Iterator[int], level: str) -> str:
    """`network.through`, whose nodes are named after their level."""
    for number, block in enumerate(blocks):
        if below and number == below.after:
            x = from_below(graph, below, x, norms, level)
        name = f"{level}block{number}"
        edged = edge_repeated(graph, style_norm(graph, x, next(norms)), f"{name}.edged")
        wide = graph.relu(graph.conv(graph.conv(edged, block.spread, f"{name}.spread"), block.widen, f"{name}.widen"))
        x = graph.node("Add", [x, graph.conv(wide, block.narrow, f"{name}.narrow")], name)
    return from_below(graph, below, x, norms, level) if below and below.after == len(blocks) else x


def from_below(graph: Graph, below: Below, x: str, norms: Iterator[int], around: str) -> str:
    level = f"{around}below."
    y = graph.relu(graph.conv(x, below.down, f"{level}down"))
    y = through(graph, below.blocks, below.below, y, norms, level)
    y = graph.conv(style_norm(graph, y, next(norms)), below.back, f"{level}back")
    return graph.node("Add", [x, doubled(graph, y)], f"{level}added")


def doubled(graph: Graph, x: str) -> str:
    scales = graph.constant(f"{x}.scales", np.array([1, 1, 2, 2], np.float32))
    return graph.node("Resize", [x, "", scales], f"{x}.doubled", mode="linear", coordinate_transformation_mode="half_pixel")


def style_norm(graph: Graph, x: str, layer: int) -> str:
    inputs = [x, f"layer{layer}.scale", f"layer{layer}.offset"]
    return graph.node("InstanceNormalization", inputs, f"norm{layer}", epsilon=NORM_EPSILON)


def edge_repeated(graph: Graph, x: str, name: str) -> str:
    pads = graph.constant(f"{name}.pads", np.array([0, 0, REACH, REACH] * 2, np.int64))
    return graph.node("Pad", [x, pads], name, mode="edge")


def session(model: bytes | str, threads: int = 0) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def largest_difference(painter: Painter, model: onnx.ModelProto, seed: int = 0) -> float:
    """The largest difference between PyTorch and ONNX Runtime over several sizes and blends, in 0..1."""
    runtime, random = session(model.SerializeToString()), np.random.default_rng(seed)
    largest = 0.0
    for height, width in CHECKED_SIZES:
        image = random.random((1, 3, height, width), np.float32)
        style = random.dirichlet(np.ones(len(painter.rows))).astype(np.float32)
        with torch.no_grad():
            expected = painter(torch.from_numpy(image), torch.from_numpy(style)[None]).numpy()
        (cells,) = runtime.run(None, {"image": image, "style": style})
        largest = max(largest, float(np.abs(picture_of(cells, painter.shape.cell_px) - expected).max()))
    return largest


def picture_of(cells: np.ndarray, cell_px: int) -> np.ndarray:
    """f32[1,3*cell_px**2,h,w], the network's output -> the picture f32[1,3,H,W]."""
    return torch.pixel_shuffle(torch.from_numpy(cells), cell_px).numpy()


def export(checkpoint_path: Path, folder: Path) -> None:
    """Writes `<network>.onnx` and `<network>.toml` into `folder`, or fails and leaves what is there."""
    trained, _ = checkpoint.read(checkpoint_path)
    model = to_onnx(trained.painter.eval())
    difference = largest_difference(trained.painter, model)
    if difference > TOLERANCE:
        raise Problem(f"ONNX Runtime and PyTorch differ by {255 * difference:.2f}/255: nothing was written")
    data = model.SerializeToString()
    checkpoint.whole(folder / f"{trained.network}.onnx", lambda part: part.write_bytes(data))
    text = manifest(trained, hashlib.sha256(data).hexdigest())
    checkpoint.whole(folder / f"{trained.network}.toml", lambda part: part.write_text(text))
    print(f"{folder / trained.network}.onnx: {len(data) / 1e3:.0f} kB, {len(trained.lessons)} styles, within {255 * difference:.4f}/255 of PyTorch")


def manifest(trained: Trained, sha256: str) -> str:
    """The manifest that the daemon reads, as `models/README.md` describes it."""
    picture = '{name}layout = "nchw"\nchannels = "rgb"\nrange = [0.0, 1.0]\n'
    parts = [
        table(None, name=trained.network, title=TITLES[trained.network], file=f"{trained.network}.onnx", sha256=sha256,
              licence=LICENCE, source="models/training, this project"),
        "[input]\n" + picture.format(name='name = "image"\n') + f"size = {{ multiple_of = {trained.painter.shape.multiple}, min = {SMALLEST_PX}, border = {BORDER_PX} }}\n",
        "[output]\n" + picture.format(name='name = "painted"\n') + f"cells = {trained.painter.shape.cell_px}\n",
        table("[style_input]", name="style", rank=1, count=len(trained.lessons)),
    ]
    rows = {lesson.name: row for row, lesson in enumerate(trained.lessons)}
    for lesson in trained.lessons:
        if lesson.name.endswith(LARGE):
            continue
        large = {"large_row": rows[lesson.name + LARGE]} if lesson.name + LARGE in rows else {}
        parts.append(table("[[style]]", name=lesson.name, **described(lesson), row=rows[lesson.name], **large))
        parts.append(table("[style.training]", **learnt(lesson)))
    return "\n".join(parts)


def described(lesson: Lesson) -> dict:
    if lesson.name == PHOTO:
        return PHOTO_ENTRY
    style = lesson.style
    return {"title": style.title, "artist": style.artist, "year": style.year, "licence": style.licence}


def learnt(lesson: Lesson) -> dict:
    facts = {"steps": lesson.steps}
    if lesson.style:
        facts |= {"content_loss": round(lesson.content_loss, 4), "style_loss": round(lesson.style_loss, 4)}
    return facts


def table(heading: str | None, **entries: str | int | float) -> str:
    lines = [heading] if heading else []
    for key, value in entries.items():
        quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if isinstance(value, str) else value
        lines.append(f"{key} = {quoted}")
    return "\n".join(lines) + "\n"

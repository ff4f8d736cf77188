"""Where a network's time goes: its layers as ONNX Runtime or OpenVINO runs them, beside what processor and memory can do.

Both are asked through the profiler of the runtime itself: a large product of matrices tells how fast it computes, and a sum of
two tensors that no cache holds how fast it reads and writes.
"""

import json
import math
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from ..export import IR_VERSION, OPSET
from ..problems import Problem
from .networks import open_network

WARM_UPS = 3
F32_BYTES = 4
# What is multiplied by 256x256 numbers as a convolution 1x1, which is the fastest product of matrices that either runtime has,
# and the two tensors that are added, 32 MiB each. Both are short, so that others on the machine leave some runs alone.
MULTIPLIED, SUMMED = (1, 256, 32, 32), (1, 8, 1024, 1024)
# Groups of layers that take less than this part of the time are told together.
LEAST_SHARE = 0.015
# What operators of either runtime do. Convolutions are told apart by their weights.
NATURES = {
    "ReorderInput": "changes of layout", "ReorderOutput": "changes of layout", "Reorder": "changes of layout",
    "InstanceNormalization": "norms", "MVN": "norms", "Add": "sums and scales", "Subgraph": "sums and scales",
    "Pad": "repeated edges", "Upsample": "doublings", "Interpolate": "doublings", "Concat": "joins", "Concatenation": "joins",
}

Feed = dict[str, np.ndarray]
# A network in ONNX, and what it is given.
Work = tuple[bytes, Feed]


@dataclass(frozen=True)
class Layer:
    """One layer as the runtime ran it: fewest milliseconds of its runs, the arithmetic of a convolution, and the bytes that it
    must read and write at least. `part` is its height beside the picture's.
    """

    kind: str
    part: str
    ms: float
    flop: float
    moved: float


def measure(networks: list[str], runtime: str, threads: int, picture: tuple[int, int], runs: int) -> None:
    """Prints what the machine can do, and for each network a line for each kind of layer at each size, costliest first.

    The last column is what the line would take if either arithmetic or memory were used to the full, whichever takes longer.
    Networks and yardsticks run in turns, so that a busy machine slows all alike.
    """
    width, height = picture
    image = np.random.default_rng(0).random((1, 3, height, width), np.float32)
    opened = [open_network(text, 1) for text in networks]
    works = [yardsticks()]
    for text, network in zip(networks, opened):
        works.append((Path(text.partition("=")[0]).read_bytes(), network.feed(image, min(1, network.style_count - 1))))
    measured, *each = RUNTIMES[runtime](works, threads, runs)
    product, total = (max(measured, key=most) for most in (lambda layer: layer.flop, lambda layer: layer.moved))
    flop_rate, byte_rate = 1000 * product.flop / product.ms, 1000 * total.moved / total.ms
    print(f"{runtime}, {threads} threads: {flop_rate / 1e9:.0f} GFLOP/s, {byte_rate / 1e9:.1f} GB/s")
    for network, layers in zip(opened, each):
        print(f"\n| {network.name} | at | ms | share | GFLOP | of GFLOP/s | MB | of GB/s | could be ms |\n|---|---|---|---|---|---|---|---|---|")
        for kind, part, group in grouped(layers):
            print(line(kind, part, group, sum(layer.ms for layer in layers), flop_rate, byte_rate))


def yardsticks() -> Work:
    random = np.random.default_rng(0)
    shapes = {"left": MULTIPLIED, "product": MULTIPLIED, "one": SUMMED, "other": SUMMED, "sum": SUMMED}
    tensors = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()}
    right = numpy_helper.from_array(random.random((MULTIPLIED[1], MULTIPLIED[1], 1, 1), np.float32), "right")
    nodes = [helper.make_node("Conv", ["left", "right"], ["product"]), helper.make_node("Add", ["one", "other"], ["sum"])]
    inputs = ("left", "one", "other")
    graph = helper.make_graph(nodes, "yardsticks", [tensors[name] for name in inputs], [tensors["product"], tensors["sum"]], [right])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return model.SerializeToString(), {name: random.random(shapes[name], np.float32) for name in inputs}


def in_onnx_runtime(works: list[Work], threads: int, runs: int) -> list[list[Layer]]:
    """On its CPU provider, with the sizes left open, as Impasto runs it there."""
    with tempfile.TemporaryDirectory() as folder:
        sessions = []
        for number, (model, _) in enumerate(works):
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.enable_profiling = True
            options.profile_file_prefix = f"{folder}/{number}"
            sessions.append(onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]))
        for _ in range(WARM_UPS + runs):
            for session, (_, feed) in zip(sessions, works):
                session.run(None, feed)
        told = [json.loads(Path(session.end_profiling()).read_text()) for session in sessions]
    return [list(of_events(events, feed)) for events, (_, feed) in zip(told, works)]


def of_events(events: list[dict], feed: Feed) -> Iterator[Layer]:
    taken = defaultdict(list)
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
            taken[event["name"]].append(event)
    for times in taken.values():
        told = times[0]["args"]
        inputs, outputs = ([tuple(*shape.values()) for shape in told[f"{side}_type_shape"]] for side in ("input", "output"))
        moved = sum(int(told[f"{what}_size"]) for what in ("activation", "parameter", "output"))
        yield layer(told["op_name"], inputs, outputs, min(event["dur"] for event in times[WARM_UPS:]) / 1000, moved, feed)


def in_openvino(works: list[Work], threads: int, runs: int) -> list[list[Layer]]:
    """On the CPU in f32, for one size, as Impasto runs it there."""
    try:
        import openvino
    except ImportError as error:
        raise Problem("OpenVINO is not installed here: pip install openvino") from error
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERF_COUNT": True, "INFERENCE_PRECISION_HINT": "f32"}
    core, compiled = openvino.Core(), []
    for model, feed in works:
        read = core.read_model(model)
        read.reshape({name: values.shape for name, values in feed.items()})
        compiled.append(core.compile_model(read, "CPU", settings))
    requests, taken = [each.create_infer_request() for each in compiled], [defaultdict(list) for _ in works]
    for number in range(WARM_UPS + runs):
        for request, times, (_, feed) in zip(requests, taken, works):
            request.infer(feed)
            for node in request.profiling_info if number >= WARM_UPS else []:
                if node.status == openvino.ProfilingInfo.Status.EXECUTED:
                    times[node.node_name].append(1000 * node.real_time.total_seconds())
    return [list(of_nodes(each.get_runtime_model(), times, feed)) for each, times, (_, feed) in zip(compiled, taken, works)]


def of_nodes(model, taken: dict[str, list[float]], feed: Feed) -> Iterator[Layer]:
    for node in model.get_ordered_ops():
        if node.get_friendly_name() in taken:
            inputs, outputs = ([tuple(end.get_shape()) for end in ends] for ends in (node.inputs(), node.outputs()))
            moved = F32_BYTES * sum(map(math.prod, inputs + outputs))
            kind = str(node.get_rt_info()["layerType"].astype(str))
            yield layer(kind, inputs, outputs, min(taken[node.get_friendly_name()]), moved, feed)


RUNTIMES = {"onnxruntime": in_onnx_runtime, "openvino": in_openvino}


def layer(operation: str, inputs: list[tuple], outputs: list[tuple], ms: float, moved: float, feed: Feed) -> Layer:
    """Shapes are those of the tensors [1,C,H,W] and of the weights [O,I,h,w], or [O,1,1,h,w] for those of one channel each."""
    kind, flop = operation, 0
    if "Conv" in operation:
        weight = inputs[1]
        flop = 2 * math.prod(weight) * math.prod(outputs[0][2:4])
        depthwise = weight[0] > 1 and math.prod(weight[1:-2]) == 1
        kind = f"{operation} {weight[-2]}x{weight[-1]}{', depthwise' if depthwise else ''}"
    heights = [values.shape[2] for values in feed.values() if values.ndim == 4]
    sides = [shape[2] for shape in outputs if len(shape) >= 4]
    part = f"1/{2 ** round(math.log2(heights[0] / sides[0]))}" if heights and sides and sides[0] > 1 else ""
    # The same bytes in another shape.
    return Layer(kind, part, ms, flop, 0 if operation == "Reshape" else moved)


def grouped(layers: list[Layer]) -> Iterator[tuple[str, str, list[Layer]]]:
    """Those of one kind and size, then those of one nature, then all."""
    rest = []
    for (kind, part), group in by(layers, lambda layer: (layer.kind, layer.part)):
        if sum(layer.ms for layer in group) < LEAST_SHARE * sum(layer.ms for layer in layers):
            rest += group
        else:
            yield f"{len(group)} {kind}", part, group
    if rest:
        yield f"{len(rest)} others", "", rest
    for nature, group in by(layers, lambda layer: nature_of(layer.kind)):
        yield f"{len(group)} {nature}", "all", group
    yield f"{len(layers)} together", "all", layers


def by(layers: list[Layer], key: Callable[[Layer], object]) -> list[tuple[object, list[Layer]]]:
    """Groups of layers, the costliest first."""
    groups = defaultdict(list)
    for each in layers:
        groups[key(each)].append(each)
    return sorted(groups.items(), key=lambda item: -sum(layer.ms for layer in item[1]))


def nature_of(kind: str) -> str:
    if "Conv" in kind:
        return "depthwise convolutions" if kind.endswith("depthwise") else "dense convolutions"
    return NATURES.get(kind, "of other kinds")


def line(kind: str, part: str, group: list[Layer], total_ms: float, flop_rate: float, byte_rate: float) -> str:
    ms, flop, moved = (sum(getattr(layer, what) for layer in group) for what in ("ms", "flop", "moved"))
    best = 1000 * sum(max(layer.flop / flop_rate, layer.moved / byte_rate) for layer in group)
    of_flop, of_bytes = (100000 * amount / rate / max(ms, 1e-9) for amount, rate in ((flop, flop_rate), (moved, byte_rate)))
    arithmetic = f"{flop / 1e9:.2f} | {of_flop:.0f} %" if flop else " | "
    return f"| {kind} | {part} | {ms:.2f} | {100 * ms / total_ms:.0f} % | {arithmetic} | {moved / 1e6:.0f} | {of_bytes:.0f} % | {best:.2f} |"

"""Makes an ONNX network of the TensorFlow Lite file of a network that finds people, with the same weights."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from . import tflite

SAME = 0


class Kind:
    """Operators by their numbers in the schema of TensorFlow Lite."""

    ADD, AVERAGE_POOL, CONV, DEPTHWISE_CONV, DEQUANTIZE = 0, 1, 3, 4, 6
    LOGISTIC, MUL, RELU, RESIZE_BILINEAR, MEAN, HARD_SWISH = 14, 18, 19, 23, 40, 117
    # MediaPipe's own, which is in no schema.
    TRANSPOSED_CONV = "Convolution2DTransposeBias"


# Those that are called alike.
SAME_IN_ONNX = {Kind.ADD: "Add", Kind.MUL: "Mul", Kind.LOGISTIC: "Sigmoid", Kind.RELU: "Relu", Kind.HARD_SWISH: "HardSwish"}


class Converter:
    """Pictures lie in planes in ONNX, and their channels lie side by side in TensorFlow Lite."""

    def __init__(self, network: tflite.Network):
        self.network = network
        self.nodes, self.constants, self.values = [], [], {}
        self.known = {place: tensor.values for place, tensor in enumerate(network.tensors) if tensor.values is not None}

    def constant(self, values: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, inputs: list[str], output: int, **attributes):
        self.values[output] = f"t{output}"
        self.nodes.append(helper.make_node(kind, inputs, [f"t{output}"], **attributes))

    def operator(self, operator: tflite.Operator):
        kind, [output], options = operator.kind, operator.outputs, operator.options
        if kind == Kind.DEQUANTIZE:
            self.known[output] = self.known[operator.inputs[0]].astype(np.float32)
            return
        inputs = [self.values.get(place) for place in operator.inputs]
        weights = [self.known.get(place) for place in operator.inputs]
        match kind:
            case _ if kind in SAME_IN_ONNX:
                self.node(SAME_IN_ONNX[kind], inputs, output)
            case Kind.CONV | Kind.DEPTHWISE_CONV:
                depthwise = kind == Kind.DEPTHWISE_CONV
                # [out, high, wide, in], or [1, high, wide, out] where each channel has its own.
                kernel = weights[1].transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
                if options.number(4 if depthwise else 3, "b"):
                    raise ValueError("a convolution with an activation of its own is not known here")
                self.node(
                    "Conv",
                    [inputs[0], self.constant(kernel), self.constant(weights[2])],
                    output,
                    kernel_shape=kernel.shape[2:],
                    strides=[options.number(2, "i", 1), options.number(1, "i", 1)],
                    auto_pad="SAME_UPPER" if options.number(0, "b") == SAME else "VALID",
                    group=kernel.shape[0] if depthwise else 1,
                )
            case Kind.AVERAGE_POOL | Kind.MEAN:
                if self.network.tensors[output].shape[1:3] != [1, 1]:
                    raise ValueError("only averages of whole planes are known here")
                self.node("GlobalAveragePool", inputs[:1], output)
            case Kind.RESIZE_BILINEAR:
                high, wide = weights[1].tolist()
                channels = self.network.tensors[output].shape[3]
                sizes = self.constant(np.array([1, channels, high, wide], np.int64))
                half_pixel = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
                self.node("Resize", [inputs[0], "", "", sizes], output, **half_pixel)
            case Kind.TRANSPOSED_CONV:
                kernel = weights[1].transpose(3, 0, 1, 2)
                self.node(
                    "ConvTranspose",
                    [inputs[0], self.constant(kernel), self.constant(weights[2])],
                    output,
                    kernel_shape=kernel.shape[2:],
                    strides=kernel.shape[2:],
                )
            case _:
                raise ValueError(f"operator {kind} is not known here")

    def run(self) -> onnx.ModelProto:
        [first], [last] = self.network.inputs, self.network.outputs
        self.values[first] = "image"
        for operator in self.network.operators:
            self.operator(operator)
        self.nodes[-1].output[0] = "mask"

        def port(name: str, place: int):
            _, high, wide, channels = self.network.tensors[place].shape
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, high, wide])

        graph = helper.make_graph(self.nodes, "mask", [port("image", first)], [port("mask", last)], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model


def convert(data: bytes) -> onnx.ModelProto:
    """The same network in ONNX: red, green and blue from 0 to 1 in, one plane of how sure it is of a person out."""
    return Converter(tflite.read(data)).run()

"""Makes a network that was exported for pictures of one size, and for 8-bit numbers, ready for video.

    python3 prepare.py IN.onnx OUT.onnx

Height and width of its pictures (NHWC) get names instead of numbers, and the shapes that were noted on the way are left
out. Weights become floats, and nothing is rounded to 8 bits on the way any more, which costs more time on most
processors than it saves. The Python standard library is enough.
"""

import struct
import sys

# Field numbers of onnx.proto.
MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_VALUE_INFO = 1, 5, 11, 12, 13
NODE_INPUT, NODE_OUTPUT, NODE_OPERATOR, NODE_ATTRIBUTE = 1, 2, 4, 5
ATTRIBUTE_NAME, ATTRIBUTE_INT = 1, 3
TENSOR_SIDE, TENSOR_TYPE, TENSOR_NAME, TENSOR_DATA = 1, 2, 8, 9
VALUE_TYPE, TYPE_TENSOR, TENSOR_SHAPE, SHAPE_DIMENSION, DIMENSION_NAME = 2, 1, 2, 1, 2

FLOAT = 1
# How the elements of a tensor lie in its bytes, by their type.
ELEMENTS = {FLOAT: "f", 2: "B", 3: "b", 6: "i"}


def fields(message):
    """Number and value (bytes, or an int) of each field, and all its bytes."""
    at = 0
    while at < len(message):
        start = at
        tag, at = varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = varint(message, at)
        elif kind == 2:
            length, at = varint(message, at)
            value, at = message[at : at + length], at + length
        else:
            length = {1: 8, 5: 4}[kind]
            value, at = message[at : at + length], at + length
        yield number, value, message[start:at]


def varint(message, at):
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def coded(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number, value):
    """A field of bytes, or of an int."""
    if isinstance(value, int):
        return coded(number << 3) + coded(value)
    return coded(number << 3 | 2) + coded(len(value)) + value


def changed(message, number, change):
    """The message with `change` made to each field of that number; None leaves it out."""
    parts = []
    for found, value, whole in fields(message):
        if found == number:
            value = change(value)
            whole = b"" if value is None else field(number, value)
        parts.append(whole)
    return b"".join(parts)


def values(message, number):
    return [value for found, value, _ in fields(message) if found == number]


def freed(shape):
    """A shape of four sides with names for height and width; that of a vector as it is."""
    sides = values(shape, SHAPE_DIMENSION)
    if len(sides) != 4 or sides[1] == sides[2] == b"\x08\x01":
        return shape
    sides[1:3] = [field(DIMENSION_NAME, name) for name in (b"height", b"width")]
    return b"".join(field(SHAPE_DIMENSION, side) for side in sides)


def with_free_sides(value):
    of_tensor = lambda tensor: changed(tensor, TENSOR_SHAPE, freed)
    return changed(value, VALUE_TYPE, lambda kind: changed(kind, TYPE_TENSOR, of_tensor))


def numbers(tensor):
    """The sides of a tensor and its numbers, which lie in its raw data."""
    sides, (kind,), (data,) = values(tensor, TENSOR_SIDE), values(tensor, TENSOR_TYPE), values(tensor, TENSOR_DATA)
    form = ELEMENTS[kind]
    return sides, list(struct.unpack(f"<{len(data) // struct.calcsize(form)}{form}", data))


def unrounded(name, tensors, inputs, axis):
    """The floats that a DequantizeLinear makes of a constant, as a tensor of that name."""
    sides, found = numbers(tensors[inputs[0]])
    _, scales = numbers(tensors[inputs[1]])
    zeros = numbers(tensors[inputs[2]])[1] if len(inputs) > 2 else [0] * len(scales)
    # So many neighbours have one scale.
    block = 1
    for side in sides[axis + 1 :]:
        block *= side
    places = (place // block % len(scales) for place in range(len(found)))
    floats = [(number - zeros[place]) * scales[place] for number, place in zip(found, places)]
    tensor = b"".join(field(TENSOR_SIDE, side) for side in sides) + field(TENSOR_TYPE, FLOAT)
    return tensor + field(TENSOR_NAME, name) + field(TENSOR_DATA, struct.pack(f"<{len(floats)}f", *floats))


def in_floats(graph):
    """The graph without QuantizeLinear and DequantizeLinear."""
    tensors = {values(tensor, TENSOR_NAME)[0]: tensor for tensor in values(graph, GRAPH_INITIALIZER)}
    outputs = [values(output, 1)[0] for output in values(graph, GRAPH_OUTPUT)]
    same, kept = {}, []
    for node in values(graph, GRAPH_NODE):
        inputs, (result, *_) = values(node, NODE_INPUT), values(node, NODE_OUTPUT)
        operator = values(node, NODE_OPERATOR)[0]
        if operator == b"DequantizeLinear" and inputs[0] in tensors:
            attributes = {values(a, ATTRIBUTE_NAME)[0]: values(a, ATTRIBUTE_INT) for a in values(node, NODE_ATTRIBUTE)}
            tensors[result] = unrounded(result, tensors, inputs, (attributes.get(b"axis") or [1])[0])
        elif operator in (b"QuantizeLinear", b"DequantizeLinear"):
            same[result] = inputs[0]
        else:
            kept.append(node)

    def origin(name):
        while name in same:
            name = same[name]
        return name

    renamed = {origin(output): output for output in outputs}
    name_of = lambda name: renamed.get(origin(name), origin(name))
    for number in (NODE_INPUT, NODE_OUTPUT):
        kept = [changed(node, number, name_of) for node in kept]
    used = {name for node in kept for name in values(node, NODE_INPUT)}
    rest = [whole for number, _, whole in fields(graph) if number not in (GRAPH_NODE, GRAPH_INITIALIZER)]
    constants = [field(GRAPH_INITIALIZER, tensor) for name, tensor in tensors.items() if name in used]
    return b"".join([*(field(GRAPH_NODE, node) for node in kept), *rest, *constants])


def prepared(model):
    def of_graph(graph):
        for number in (GRAPH_INPUT, GRAPH_OUTPUT):
            graph = changed(graph, number, with_free_sides)
        return in_floats(changed(graph, GRAPH_VALUE_INFO, lambda _: None))

    return changed(model, MODEL_GRAPH, of_graph)


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as model:
        made = prepared(model.read())
    with open(sys.argv[2], "wb") as out:
        out.write(made)

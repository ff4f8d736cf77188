"""Reads a TensorFlow Lite file: the little of flatbuffers and of its schema that a network without quantisation needs."""

import struct
from dataclasses import dataclass

import numpy as np

TYPES = {0: np.float32, 1: np.float16, 2: np.int32}


class Table:
    """A table of a flatbuffer: its fields by their numbers."""

    def __init__(self, data: bytes, at: int):
        self.data, self.at = data, at
        self.fields = at - struct.unpack_from("<i", data, at)[0]

    def _place(self, field: int) -> int | None:
        size = struct.unpack_from("<H", self.data, self.fields)[0]
        entry = 4 + 2 * field
        offset = struct.unpack_from("<H", self.data, self.fields + entry)[0] if entry < size else 0
        return self.at + offset if offset else None

    def number(self, field: int, kind: str, default=0):
        place = self._place(field)
        return default if place is None else struct.unpack_from(f"<{kind}", self.data, place)[0]

    def _target(self, field: int) -> int | None:
        place = self._place(field)
        return None if place is None else place + struct.unpack_from("<I", self.data, place)[0]

    def table(self, field: int) -> "Table | None":
        target = self._target(field)
        return None if target is None else Table(self.data, target)

    def array(self, field: int, kind) -> np.ndarray:
        target = self._target(field)
        if target is None:
            return np.zeros(0, kind)
        count = struct.unpack_from("<I", self.data, target)[0]
        return np.frombuffer(self.data, kind, count, target + 4)

    def text(self, field: int) -> str:
        return self.array(field, np.uint8).tobytes().decode()

    def tables(self, field: int) -> list["Table"]:
        target = self._target(field)
        places = self.array(field, "<u4")
        return [Table(self.data, target + 4 + 4 * number + int(place)) for number, place in enumerate(places)]


@dataclass
class Tensor:
    name: str
    shape: list[int]
    # The values of a constant.
    values: np.ndarray | None


@dataclass
class Operator:
    # The number of the schema, or the name of one that is not in it.
    kind: int | str
    inputs: list[int]
    outputs: list[int]
    options: Table | None
    custom: bytes


@dataclass
class Network:
    tensors: list[Tensor]
    operators: list[Operator]
    inputs: list[int]
    outputs: list[int]


def read(data: bytes) -> Network:
    """Reads the first graph of a file."""
    if data[4:8] != b"TFL3":
        raise ValueError("is no TensorFlow Lite file")
    model = Table(data, struct.unpack_from("<I", data, 0)[0])
    codes = [code.text(1) or max(code.number(0, "b"), code.number(3, "i")) for code in model.tables(1)]
    buffers = [buffer.array(0, np.uint8) for buffer in model.tables(4)]
    graph = model.tables(2)[0]

    def tensor(table: Table) -> Tensor:
        shape = table.array(0, "<i4").tolist()
        data = buffers[table.number(2, "I")]
        values = data.view(TYPES[table.number(1, "b")]).reshape(shape) if len(data) else None
        return Tensor(table.text(3), shape, values)

    def operator(table: Table) -> Operator:
        inputs, outputs = (table.array(field, "<i4").tolist() for field in (1, 2))
        return Operator(codes[table.number(0, "I")], inputs, outputs, table.table(4), table.array(5, np.uint8).tobytes())

    inputs, outputs = (graph.array(field, "<i4").tolist() for field in (1, 2))
    return Network([tensor(t) for t in graph.tables(0)], [operator(o) for o in graph.tables(3)], inputs, outputs)

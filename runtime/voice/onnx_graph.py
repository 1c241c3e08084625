"""An ONNX graph with more outputs, or a piece of it as a model of its own. Pure.

A model is a protobuf message. The few fields that a cut needs are read, the rest is copied as it is: ModelProto 7 is the graph;
GraphProto 1 nodes, 5 initializers, 11 inputs, 12 outputs, 13 what is known of inner tensors; NodeProto 1 inputs, 2 outputs. The
package `onnx` does the same and is 20 MB that nothing else here needs. The graph has no branches (`If`, `Loop`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_VALUE_INFO = 1, 5, 11, 12, 13
NODE_INPUT, NODE_OUTPUT = 1, 2
TENSOR_NAME, VALUE_NAME, VALUE_TYPE = 8, 1, 2
OF_FLOATS = b"\x0a\x02\x08\x01"  # TypeProto: a tensor (1) whose elements (1) are float (1), of any shape
VARINT, BYTES_8, DELIMITED, BYTES_4 = 0, 1, 2, 5  # wire types


class CutError(ValueError):
    """The model is no ONNX graph, or has no such tensor."""


@dataclass(frozen=True)
class _Field:
    """`whole`: with its key, to copy; `content`: of a length-delimited field."""

    number: int
    whole: memoryview
    content: memoryview


def with_outputs(model: bytes, names: Sequence[str]) -> bytes:
    """The ONNX model with inner tensors as further outputs.

    Two pieces of one protobuf message, one after the other, are that message merged: what is appended is a model whose
    graph holds outputs that have a name and nothing else.
    """
    return model + _field(MODEL_GRAPH, b"".join(_output(name) for name in names))


def cut(model: bytes, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """The model from `inputs` (inner ones are float tensors) to `outputs`. Raises CutError."""
    fields = list(_fields(memoryview(model)))
    graph = [part for field in fields if field.number == MODEL_GRAPH for part in _fields(field.content)]
    nodes = [field for field in graph if field.number == GRAPH_NODE]
    kept, needed = _behind(nodes, inputs, outputs)
    own_inputs = {_name(field, VALUE_NAME) for field in graph if field.number == GRAPH_INPUT}
    initializers = {_name(field, TENSOR_NAME) for field in graph if field.number == GRAPH_INITIALIZER}
    if missing := sorted(needed - own_inputs - initializers - set(inputs)):
        raise CutError(f"the graph computes no {missing[0]!r}")
    parts: list[bytes | memoryview] = [nodes[index].whole for index in kept]
    parts += [field.whole for field in graph if _stays(field, needed)]
    parts += [_inner(name) for name in inputs if name not in own_inputs]
    parts += [_output(name) for name in outputs]
    rest = b"".join(field.whole for field in fields if field.number != MODEL_GRAPH)
    return rest + _field(MODEL_GRAPH, b"".join(parts))


def _behind(nodes: Sequence[_Field], inputs: Iterable[str], outputs: Iterable[str]) -> tuple[list[int], set[str]]:
    """Which nodes lie between, in their order, and the names that none of them computes."""
    maker: dict[str, int] = {}
    takes: list[list[str]] = []
    for index, node in enumerate(nodes):
        parts = [
            (part.number, str(part.content, "utf-8")) for part in _fields(node.content) if part.number <= NODE_OUTPUT
        ]
        takes.append([name for number, name in parts if number == NODE_INPUT and name])
        maker.update({name: index for number, name in parts if number == NODE_OUTPUT})
    given, kept = set(inputs), set[int]()
    needed, open_names = set[str](), list(outputs)
    while open_names:
        name = open_names.pop()
        if name in given or name not in maker:
            needed.add(name)
        elif maker[name] not in kept:
            kept.add(maker[name])
            open_names += takes[maker[name]]
    return sorted(kept), needed


def _stays(field: _Field, needed: set[str]) -> bool:
    if field.number == GRAPH_INITIALIZER:
        return _name(field, TENSOR_NAME) in needed
    if field.number == GRAPH_INPUT:
        return _name(field, VALUE_NAME) in needed
    return field.number not in (GRAPH_NODE, GRAPH_OUTPUT, GRAPH_VALUE_INFO)


def _output(name: str) -> bytes:
    return _field(GRAPH_OUTPUT, _field(VALUE_NAME, name.encode()))


def _inner(name: str) -> bytes:
    return _field(GRAPH_INPUT, _field(VALUE_NAME, name.encode()) + _field(VALUE_TYPE, OF_FLOATS))


def _name(field: _Field, number: int) -> str:
    return next((str(part.content, "utf-8") for part in _fields(field.content) if part.number == number), "")


def _fields(message: memoryview) -> Iterator[_Field]:
    """The fields of one protobuf message. Raises CutError."""
    at = 0
    while at < len(message):
        begin = at
        key, at = _read_varint(message, at)
        wire, from_ = key & 7, at
        if wire == VARINT:
            _, at = _read_varint(message, at)
        elif wire in (BYTES_8, BYTES_4):
            at += 8 if wire == BYTES_8 else 4
        elif wire == DELIMITED:
            size, from_ = _read_varint(message, at)
            at = from_ + size
        else:
            raise CutError(f"wire type {wire}: this is no protobuf message")
        if at > len(message):
            raise CutError("the model ends in the middle of a field")
        yield _Field(key >> 3, message[begin:at], message[from_:at])


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message):
        value |= (message[at] & 0x7F) << shift
        at += 1
        if not message[at - 1] & 0x80:
            return value, at
        shift += 7
    raise CutError("the model ends in the middle of a number")


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | DELIMITED) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])

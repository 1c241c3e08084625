"""A graph is cut between any of its tensors: what is not needed is gone, what is needed is as it was."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.voice.onnx_graph import CutError, cut, with_outputs
from runtime.voice.piper import open_session


def field(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def node(kind: str, inputs: list[str], output: str) -> bytes:
    named = b"".join(field(1, name.encode()) for name in inputs)
    return field(1, named + field(2, output.encode()) + field(4, kind.encode()))


def floats(number: int, name: str) -> bytes:
    return field(number, field(1, name.encode()) + field(2, field(1, b"\x08\x01")))


def constant(name: str, value: float) -> bytes:
    """A TensorProto of one float."""
    return field(5, b"\x08\x01\x10\x01" + field(9, np.float32(value).tobytes()) + field(8, name.encode()))


def model() -> bytes:
    """out = (in + 2) · 3, and beside it −(in + 2)."""
    graph = node("Add", ["in", "two"], "sum") + node("Mul", ["sum", "three"], "out") + node("Neg", ["sum"], "other")
    graph += field(2, b"g") + constant("two", 2.0) + constant("three", 3.0)
    graph += floats(11, "in") + floats(12, "out") + floats(12, "other")
    long = bytes([7 << 3 | 2, len(graph) & 0x7F | 0x80, len(graph) >> 7]) + graph
    return b"\x08\x08" + field(8, b"\x10\x0f") + long  # IR version 8, opset 15


def result(made: bytes, **inputs: float) -> list[float]:
    session = open_session(made)
    given = {name: np.array([value], np.float32) for name, value in inputs.items()}
    return [float(value[0]) for value in session.run(None, given)]


def test_the_whole_graph_is_what_it_says() -> None:
    assert result(model(), **{"in": 4.0}) == [18.0, -6.0]


def test_the_part_behind_a_tensor_takes_it_as_its_input() -> None:
    assert result(cut(model(), ["sum"], ["out"]), sum=5.0) == [15.0]


def test_the_part_before_a_tensor_gives_it() -> None:
    assert result(cut(model(), ["in"], ["sum"]), **{"in": 4.0}) == [6.0]


def test_what_a_part_does_not_need_is_gone() -> None:
    part = cut(model(), ["sum"], ["out"])
    assert b"three" in part
    assert b"two" not in part
    assert b"other" not in part


@pytest.mark.parametrize(
    ("made", "inputs", "says"),
    [
        (model(), [], "computes no 'in'|computes no"),
        (model()[:-3], ["in"], "ends in the middle"),
        (b"\x0f no protobuf", ["in"], "no protobuf"),
    ],
)
def test_what_cannot_be_cut_is_told(made: bytes, inputs: list[str], says: str) -> None:
    with pytest.raises(CutError, match=says):
        cut(made, inputs, ["nothing"])


def test_inner_tensors_are_appended_as_a_graph_with_outputs() -> None:
    long_name = "n" * 200
    assert with_outputs(b"model", ["/a"]) == b"model\x3a\x06\x62\x04\x0a\x02/a"
    assert with_outputs(b"", [long_name]) == b"\x3a\xce\x01\x62\xcb\x01\x0a\xc8\x01" + long_name.encode()

"""Writes the models of these tests beside itself: python make.py, where onnx 1.19 is installed."""

from pathlib import Path

import numpy
from onnx import TensorProto, checker, external_data_helper, helper, numpy_helper, save_model

HERE = Path(__file__).parent


def write(name, nodes, inputs, outputs, initializers=(), domains=(), check=True):
    """Writes one model."""
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="")
    if check:
        checker.check_model(model)
    save_model(model, HERE / f"{name}.onnx")


def tensor(name, kind, shape):
    """Returns the declaration of an input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


FLOAT, DOUBLE, INT64, STRING, HALF = (
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.INT64,
    TensorProto.STRING,
    TensorProto.FLOAT16,
)

write(
    "two_sums",
    [
        helper.make_node("ReduceSum", ["x", "axis"], ["row"], keepdims=0),
        helper.make_node("Add", ["n", "n"], ["twice"]),
        helper.make_node("Identity", ["t"], ["same"]),
    ],
    [tensor("x", FLOAT, ["rows", 3]), tensor("n", INT64, ["rows"]), tensor("t", STRING, ["rows", 1])],
    [tensor("row", FLOAT, ["rows"]), tensor("twice", INT64, ["rows"]), tensor("same", STRING, ["rows", 1])],
    [numpy_helper.from_array(numpy.array([1]), "axis")],
)
write(
    "unknown_operator",
    [helper.make_node("Haul", ["x"], ["y"], domain="example.org")],
    [tensor("x", FLOAT, ["rows"])],
    [tensor("y", FLOAT, ["rows"])],
    domains=["example.org"],
    check=False,
)
write(
    "half",
    [helper.make_node("Identity", ["x"], ["y"])],
    [tensor("x", HALF, ["rows"])],
    [tensor("y", HALF, ["rows"])],
)
write(
    "sequence_of_maps",
    [helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_int64s=[0, 1])],
    [tensor("x", FLOAT, ["rows", 2])],
    [
        helper.make_value_info(
            "y",
            helper.make_sequence_type_proto(
                helper.make_map_type_proto(INT64, helper.make_tensor_type_proto(FLOAT, []))
            ),
        )
    ],
    domains=["ai.onnx.ml"],
    check=False,
)
write(
    "not_a_sum",
    [helper.make_node("Gather", ["table", "at"], ["y"])],
    [tensor("at", INT64, ["rows"])],
    [tensor("y", FLOAT, ["rows"])],
    [numpy_helper.from_array(numpy.array([1, 2], dtype="float32"), "table")],
)
for name, location in (("beside", "beside.bin"), ("outside", "../mod.rs")):
    weights = numpy_helper.from_array(numpy.arange(4, dtype="float32"), "weights")
    (HERE / "beside.bin").write_bytes(weights.raw_data)
    external_data_helper.set_external_data(weights, location)
    weights.ClearField("raw_data")
    write(
        name,
        [helper.make_node("Add", ["x", "weights"], ["y"])],
        [tensor("x", FLOAT, [4])],
        [tensor("y", FLOAT, [4])],
        [weights],
        check=False,
    )

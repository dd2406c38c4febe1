"""Holds one MLflow model and answers for it, over the socket that comes as standard input.

It is told the model's folder and asked with frames: the length of a JSON header in four bytes (little-endian), the
header, then the columns that it lists, one after another. Answers have the same form. Standard output and error are
the model's to write to. It needs nothing but what a model's own environment has: MLflow, NumPy and pandas.
"""

import contextlib
import ctypes
import json
import numbers
import os
import signal
import socket
import struct
import sys
import traceback

# What a value that the model does not name is called, as MLServer's runtime for MLflow does.
UNNAMED = "output-1"
# The longest text of an exception that is passed on, in characters.
REASON_MAX = 600
# The length that stands for a missing text.
MISSING = 0xFFFFFFFF
# From <sys/prctl.h>: which signal comes when the parent dies.
PR_SET_PDEATHSIG = 1


class Unfit(Exception):
    """The model gave something that no table can hold."""


class Misuse(Exception):
    """The question holds something that the signature does not allow."""


def main():
    # The model gets an empty standard input in its place, and no child of it gets the channel.
    channel = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    try:
        model = load(sys.argv[1])
    except BaseException as error:
        traceback.print_exc()
        send(channel, {"error": reason(error)})
        return
    send(channel, {"ready": True})
    while (question := receive(channel)) is not None:
        header, columns = question
        try:
            answer, parts = encode(tables(ask(model, header, columns), header["rows"]))
        except (Misuse, Unfit) as error:
            answer, parts = {"error": str(error), "asker": isinstance(error, Misuse)}, []
        except BaseException as error:
            traceback.print_exc()
            answer, parts = {"error": reason(error), "asker": blames_asker(error)}, []
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        send(channel, answer, parts)


def load(folder):
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(folder)


def reason(error):
    """Returns what an exception says, without where it came from."""
    with contextlib.suppress(Exception):
        text = str(error).strip()
        text = text if len(text) <= REASON_MAX else text[:REASON_MAX] + "…"
        return f"{type(error).__name__}: {text}" if text else type(error).__name__
    return type(error).__name__


def blames_asker(error):
    """Tells whether MLflow, or the model in its way, says that the question is wrong."""
    from mlflow.exceptions import MlflowException

    return isinstance(error, MlflowException) and error.error_code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")


def receive(channel):
    """Returns the next frame: its header and its columns' bytes; nothing once there are no more."""
    head = exactly(channel, 4)
    if head is None:
        return None
    header = json.loads(exactly(channel, struct.unpack("<I", head)[0]))
    return header, [exactly(channel, column["bytes"]) for column in header["columns"]]


def exactly(channel, length):
    """Returns the next bytes; nothing where the channel ends before them."""
    buffer = bytearray(length)
    view = memoryview(buffer)
    while view:
        count = channel.recv_into(view)
        if count == 0:
            return None
        view = view[count:]
    return buffer


def send(channel, header, parts=()):
    text = json.dumps(header).encode()
    channel.sendall(b"".join([struct.pack("<I", len(text)), text, *parts]))


def ask(model, header, columns):
    """Asks the model about columns, given to it as its signature says."""
    rows = header["rows"]
    listed = [(column["kind"], content) for column, content in zip(header["columns"], columns)]
    schema = model.metadata.get_input_schema()
    if schema.is_tensor_spec():
        return model.predict(tensors(schema.inputs, listed, rows))
    return model.predict(frame(schema.inputs, listed, rows))


def values(kind, content, rows):
    """Returns the values of one column; nothing where the question does without it."""
    import numpy

    if kind == "number":
        return numpy.frombuffer(content, "<f8")
    if kind == "int":
        return numpy.frombuffer(content, "<i8")
    if kind == "bool":
        return numpy.frombuffer(content, "?")
    if kind == "text":
        lengths = numpy.frombuffer(content, "<u4", rows).tolist()
        texts, at = [], 4 * rows
        for length in lengths:
            texts.append(content[at : at + length].decode())
            at += length
        return texts
    return None


def frame(specs, listed, rows):
    """Returns a data frame with the types of the signature."""
    import pandas

    series = {}
    for place, (spec, (kind, content)) in enumerate(zip(specs, listed)):
        column = values(kind, content, rows)
        if column is None:
            continue
        name = place if spec.name is None else spec.name
        series[name] = column if kind == "text" else column.astype(spec.type.to_numpy())
        if spec.type.name == "datetime":
            series[name] = times(name, column)
    return pandas.DataFrame(series)


def times(name, texts):
    """Returns instants as MLflow's signatures have them: UTC, and without saying so."""
    import pandas

    instants = pandas.to_datetime(pandas.Series(texts), utc=True, format="ISO8601", errors="coerce")
    if instants.hasnans:
        row = int(instants.isna().argmax())
        raise Misuse(f"column `{name}`, row {row + 1}, is {texts[row][:40]!r}, not a time as in 2013-03-01T10:00:00Z")
    return instants.dt.tz_localize(None).astype("datetime64[ns]")


def tensors(specs, listed, rows):
    """Returns an array, or arrays by their names where the signature names them."""
    import numpy

    arrays, at = [], 0
    for spec in specs:
        width = spec.shape[1] if len(spec.shape) == 2 else 1
        columns = [values(kind, content, rows) for kind, content in listed[at : at + width]]
        at += width
        if any(column is None for column in columns):
            arrays.append(None)
            continue
        array = numpy.stack([numpy.asarray(column, dtype=spec.type) for column in columns], axis=1)
        arrays.append(array if len(spec.shape) == 2 else array[:, 0])
    if specs[0].name is None:
        return arrays[0]
    return {spec.name: array for spec, array in zip(specs, arrays) if array is not None}


def tables(given, rows):
    """Returns what the model gave as pairs of a name and a column."""
    import numpy
    import pandas

    if isinstance(given, list) and given and all(isinstance(row, dict) for row in given):
        given = pandas.DataFrame(given)
    if isinstance(given, pandas.DataFrame):
        named = [(str(name), given.iloc[:, place]) for place, name in enumerate(given.columns)]
    elif isinstance(given, dict):
        named = [(str(name), column) for name, column in given.items()]
    else:
        named = [(UNNAMED, given)]
    out = []
    for name, column in named:
        if hasattr(column, "toarray"):
            column = column.toarray()
        if isinstance(column, (str, bytes, numbers.Number)) or getattr(column, "ndim", None) == 0:
            column = [column]
        if not isinstance(column, (pandas.Series, numpy.ndarray)):
            column = array(name, column)
        if column.ndim == 2 and column.shape[1] == 1:
            column = column[:, 0]
        if column.ndim > 2 or len(column) != rows:
            shape = "x".join(map(str, column.shape))
            raise Unfit(f"the model's output `{name}` has the shape {shape} for {rows} rows")
        if column.ndim == 1:
            out.append((name, column))
        else:
            out.extend((f"{name}_{place}", column[:, place]) for place in range(column.shape[1]))
    return out


def array(name, column):
    """Returns a list as an array, without making text of what is none."""
    import numpy
    import pandas

    column = list(column)
    if any(isinstance(value, (list, tuple, numpy.ndarray)) for value in column):
        try:
            return numpy.asarray(column)
        except ValueError as error:
            raise Unfit(f"the model's output `{name}` has rows of different lengths") from error
    return pandas.Series(column)


def encode(named):
    """Returns the header of columns, and their bytes."""
    listed, parts = [], []
    for name, column in named:
        kind, content = encoded(name, column)
        listed.append({"name": name, "kind": kind, "bytes": len(content)})
        parts.append(content)
    return {"columns": listed}, parts


def encoded(name, column):
    """Returns the kind and bytes of a column."""
    import numpy
    import pandas

    if isinstance(column, pandas.Series):
        plain = isinstance(column.dtype, numpy.dtype)
        column = column.to_numpy() if plain else column.astype(object).to_numpy()
    kind = column.dtype.kind
    if kind == "f":
        return "number", column.astype("<f8").tobytes()
    if kind in "iu":
        if kind == "u" and column.size and column.max() > numpy.iinfo(numpy.int64).max:
            raise Unfit(f"the model's output `{name}` has a number beyond 64 bits")
        return "int", column.astype("<i8").tobytes()
    if kind == "b":
        return "bool", column.astype("?").tobytes()
    if kind == "M":
        column = pandas.Series(column)
    return objects(name, list(column))


def objects(name, cells):
    """Returns the kind and bytes of a column of Python's own values."""
    import datetime

    import numpy
    import pandas

    def missing(cell):
        return cell is None or cell is pandas.NA or cell is pandas.NaT or (isinstance(cell, float) and cell != cell)

    def every(*types):
        return all(isinstance(cell, types) for cell in present)

    present = [cell for cell in cells if not missing(cell)]
    if every(bool, numpy.bool_) and present and len(present) == len(cells):
        return "bool", bytes(map(bool, cells))
    if every(str):
        # A column of nothing but missing values says no type; text can hold them.
        texts = [None if missing(cell) else cell.encode() for cell in cells]
    elif every(datetime.datetime, datetime.date):
        texts = [None if missing(cell) else cell.isoformat().encode() for cell in cells]
    elif every(numbers.Real) and not any(isinstance(cell, (bool, numpy.bool_)) for cell in present):
        if every(numbers.Integral) and len(present) == len(cells):
            return encoded(name, numpy.array(cells, dtype="<i8"))
        return "number", numpy.array([numpy.nan if missing(cell) else float(cell) for cell in cells], "<f8").tobytes()
    else:
        kinds = ", ".join(sorted({type(cell).__name__ for cell in present})[:5])
        raise Unfit(f"the model's output `{name}` holds {kinds}; served are numbers, truth values and text")
    lengths = [MISSING if text is None else len(text) for text in texts]
    return "text", b"".join([struct.pack(f"<{len(texts)}I", *lengths), *(text or b"" for text in texts)])


if __name__ == "__main__":
    main()

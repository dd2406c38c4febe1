"""The peer of `cargo xtask bench serving` that a team writes itself: FastAPI around onnxruntime, told its port.

As quick as its parts allow: uvicorn with uvloop and httptools, one worker, no thread pool, one thread for the model.
"""

import sys

import numpy
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

path, port = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
[given] = session.get_inputs()
app = FastAPI()


class Split(BaseModel):
    columns: list[str]
    data: list[list[float]]


class Rows(BaseModel):
    dataframe_split: Split


class Predictions(BaseModel):
    predictions: list[float]


@app.get("/ping")
async def ping():
    return {}


@app.post("/invocations")
async def invocations(rows: Rows) -> Predictions:
    table = numpy.array(rows.dataframe_split.data, dtype=numpy.float32)
    [answer] = session.run(None, {given.name: table})
    return Predictions(predictions=answer.ravel().tolist())


uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False)

"""Lays the file of one month into a dataset's folder: `lay.py DATASET SHIFT`, where SHIFT is added to the tick.

A file appears whole, by a rename; one that is there already with the same bytes is left alone, so that a repeated
attempt changes nothing. Stands in for the outside world.
"""

import json
import os
import sys
from pathlib import Path

dataset, shift = sys.argv[1], int(sys.argv[2])
month = json.loads(Path(os.environ["WINDLASS_PARAMS"]).read_text())["tick"] + shift
name = f"2013-{month:02}.parquet"
source = Path(os.environ["WINDLASS_INPUTS"]) / "months" / dataset / name
folder = Path(os.environ["WINDLASS_WRITES"]) / dataset

if not source.exists():
    print(f"nothing to lay: there is no month {month}")
    sys.exit()
content = source.read_bytes()
target = folder / name
if target.exists() and target.read_bytes() == content:
    print(f"{name} is there already")
    sys.exit()
# In the same folder, so that the rename is one step; a name with a dot belongs to no dataset.
draft = folder / f".{name}.part"
with draft.open("wb") as file:
    file.write(content)
    file.flush()
    os.fsync(file.fileno())
draft.rename(target)
descriptor = os.open(folder, os.O_RDONLY)
os.fsync(descriptor)
os.close(descriptor)
print(f"laid {name} into {dataset}: {len(content)} bytes")

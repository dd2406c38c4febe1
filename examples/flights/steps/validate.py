"""Checks what the expectations of one file cannot: that flights and arrivals fit each other."""

import json
import os
import sys
from pathlib import Path

import pandas
from columns import KEY

inputs = Path(os.environ["WINDLASS_INPUTS"])
parameters = json.loads(Path(os.environ["WINDLASS_PARAMS"]).read_text())


def keys(dataset: str) -> pandas.DataFrame:
    """Returns the keys of all rows of a dataset, with the file each lies in."""
    files = sorted((inputs / dataset).glob("*.parquet"))
    return pandas.concat([pandas.read_parquet(file, columns=KEY).assign(file=file.name) for file in files])


flights, arrivals = keys("flights"), keys("arrivals")
problems = [
    f"{count} keys stand in more than one file of {name}"
    for name, rows in (("flights", flights), ("arrivals", arrivals))
    if (count := int(rows.duplicated(KEY).sum()))
]

known = arrivals.merge(flights[KEY], on=KEY, how="left", indicator="known")
known["known"] = known["known"] == "both"
months = {file: {"arrivals": len(rows), "known": int(rows["known"].sum())} for file, rows in known.groupby("file")}
for file, counts in months.items():
    mark = " (new)" if file in parameters["added"] else ""
    print(f"{file}: {counts['known']} of {counts['arrivals']} arrivals belong to a known flight{mark}")
if not known["known"].any():
    problems.append("no arrival belongs to a known flight")

report = {"months": months, "problems": problems}
(Path(os.environ["WINDLASS_OUTPUTS"]) / "report").write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")
if problems:
    sys.exit("\n".join(problems))

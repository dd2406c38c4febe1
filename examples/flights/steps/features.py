"""Joins flights with their arrivals and splits by day: the newest 14 labelled days to score, all before to train."""

import os
from pathlib import Path

import pandas
from columns import FEATURES, KEY, LABEL, encode, local_day

RECENT_DAYS = 14

inputs = Path(os.environ["WINDLASS_INPUTS"])
outputs = Path(os.environ["WINDLASS_OUTPUTS"]) / "table"
outputs.mkdir()

flights, arrivals = (
    pandas.concat([pandas.read_parquet(file) for file in sorted((inputs / dataset).glob("*.parquet"))])
    for dataset in ("flights", "arrivals")
)
# An inner join: what is not labelled yet, or never arrived, is neither trained on nor scored.
rows = flights.merge(arrivals, on=KEY, validate="one_to_one").sort_values(KEY, ignore_index=True)
table = pandas.concat([rows[KEY], local_day(rows).rename("day"), rows[[LABEL]], encode(rows)], axis="columns")
assert list(table.columns) == [*KEY, "day", LABEL, *FEATURES]

recent_days = table["day"].drop_duplicates().sort_values().tail(RECENT_DAYS)
recent = table["day"] >= recent_days.iloc[0]
for name, part in (("train", table[~recent]), ("recent", table[recent])):
    part.to_parquet(outputs / f"{name}.parquet", index=False)
    print(f"{name}: {len(part)} flights, {part['day'].min():%Y-%m-%d} to {part['day'].max():%Y-%m-%d}")

"""Writes REFERENCE and WINDOW, a million rows by eleven columns each, for `cargo xtask bench drift`."""

import sys

import numpy as np
import pandas as pd

ROWS = 1_000_000


def table(random, move):
    columns = {f"normal_{place}": random.normal(move * place, 1, ROWS) for place in range(6)}
    columns["skewed"] = random.lognormal(move, 1, ROWS)
    columns["mostly_zero"] = np.where(random.uniform(size=ROWS) < 0.9, 0, random.exponential(1 + move, ROWS))
    columns["whole"] = random.poisson(5 + move, ROWS)
    columns["carrier"] = random.choice(["UA", "B6", "EV", "DL", "AA"], ROWS)
    columns["airport"] = random.choice([f"A{place:02}" for place in range(100)], ROWS)
    columns["normal_0"][random.uniform(size=ROWS) < 0.05] = np.nan
    return pd.DataFrame(columns)


for path, seed, move in [(sys.argv[1], 1, 0), (sys.argv[2], 2, 0.1)]:
    table(np.random.default_rng(seed), move).to_parquet(path)

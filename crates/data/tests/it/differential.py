"""Cases with the answers of scipy and scikit-learn, as JSON; tests/it/differential.rs computes the same with our code.

With a path of a Parquet file as argument: what pandas reads in it instead.
"""

import json
import math
import sys

import numpy as np
import pandas as pd
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn import metrics
from sklearn.calibration import calibration_curve

random = np.random.default_rng(20130101)


def plain(values):
    """Returns numbers as JSON has them; what is missing as null."""
    return [None if isinstance(value, float) and math.isnan(value) else value for value in np.asarray(values).tolist()]


def calibration(label, probability):
    """The expected calibration error, from scikit-learn's bins."""
    true, predicted = calibration_curve(label, probability, n_bins=10, strategy="uniform")
    bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], probability)
    counts = np.bincount(bins, minlength=10)
    return float(np.sum(np.abs(true - predicted) * counts[counts > 0]) / len(label))


def measures():
    for rows in [1, 2, 17, 1000]:
        for scale in [1.0, 1e-6, 1e9]:
            label = random.normal(5, 20, rows) * scale
            prediction = label + random.normal(1, 10, rows) * scale
            yield "mae", label, prediction, metrics.mean_absolute_error(label, prediction)
            yield "rmse", label, prediction, metrics.root_mean_squared_error(label, prediction)
            yield "bias", label, prediction, np.mean(prediction - label)
            for level in [0.1, 0.5, 0.9]:
                loss = metrics.mean_pinball_loss(label, prediction, alpha=level)
                yield f"quantile-{level}", label, prediction, loss
    for rows in [2, 17, 1000]:
        for digits in [1, 2, 12]:
            label = random.integers(0, 2, rows)
            label[:2] = [0, 1]
            # Few digits make ties; 0 and 1 are among them.
            probability = np.round(np.clip(label * 0.2 + random.uniform(0, 0.8, rows), 0, 1), digits)
            yield "auc", label, probability, metrics.roc_auc_score(label, probability)
            yield "log-loss", label, probability, metrics.log_loss(label, probability, labels=[0, 1])
            yield "brier", label, probability, metrics.brier_score_loss(label, probability)
            yield "calibration", label, probability, calibration(label, probability)
            yield "accuracy", label, probability, metrics.accuracy_score(label, probability > 0.5)
            yield "f1", label, probability, metrics.f1_score(label, probability > 0.5)
        label = random.integers(0, 4, rows)
        prediction = np.where(random.uniform(size=rows) < 0.7, label, 3 - label)
        yield "accuracy", label, prediction, metrics.accuracy_score(label, prediction)


def stability(reference, window):
    """The population stability index of shares."""
    reference, window = np.maximum(reference / np.sum(reference), 1e-4), np.maximum(window / np.sum(window), 1e-4)
    return np.sum((window - reference) * np.log(window / reference))


def binned(reference, window):
    """What is measured over counts."""
    both = np.array([reference, window])
    yield "psi", stability(*both)
    yield "jensen-shannon", jensenshannon(*both, base=2)
    yield "chi-squared", stats.chi2_contingency(both[:, both.sum(axis=0) > 0], correction=False).statistic


def of_numbers(reference, window):
    """Every measure of two columns of numbers without frequent values; NaN is missing."""
    yield "missing", np.mean(np.isnan(window))
    reference, window = reference[~np.isnan(reference)], window[~np.isnan(window)]
    edges = np.unique(np.quantile(reference, np.arange(1, 10) / 10))
    counts = [np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1) for values in (reference, window)]
    yield from binned(*counts)
    yield "ks", stats.ks_2samp(reference, window).statistic
    yield "wasserstein", stats.wasserstein_distance(reference, window) / np.std(reference)
    yield "unseen", np.mean((window < reference.min()) | (window > reference.max()))


def of_categories(reference, window):
    """Every measure of two columns of text; what the reference never had is one category."""
    names = sorted(set(reference))
    counts = [[list(values).count(name) for name in names] for values in (reference, window)]
    for column, values in zip(counts, (reference, window)):
        column.append(len(values) - sum(column))
    yield from binned(*counts)
    yield "unseen", counts[1][-1] / len(window)


def drift():
    for rows, others in [(40, 40), (200, 1000), (1001, 30), (5000, 5000), (20000, 3000)]:
        for move in [0.0, 0.3, 5.0]:
            reference, window = random.normal(0, 1, rows), random.normal(move, 1.2, others)
            window[random.uniform(size=others) < 0.05] = np.nan
            # A sketch keeps more distinct values than these only to a thousandth.
            exact = rows <= 1001
            yield plain(reference), plain(window), exact, dict(of_numbers(reference, window))
    reference, window = random.integers(0, 500, 30000) / 7, random.integers(20, 600, 20000) / 7
    yield plain(reference), plain(window), True, dict(of_numbers(reference, window))
    for letters, others in [("ab", "ab"), ("abcdef", "bcdefghi"), ("a", "bbbb")]:
        reference, window = random.choice(list(letters), 300), random.choice(list(others), 200)
        yield plain(reference), plain(window), True, dict(of_categories(reference, window))


def bootstrap():
    """Percentile intervals over clusters of equal size, whose mean is the mean of the clusters' means."""
    for clusters in [14, 60]:
        gains = random.normal(0.5, 2, clusters)[:, None] + random.normal(0, 3, (clusters, 25))
        found = stats.bootstrap(
            (gains.mean(axis=1),), np.mean, n_resamples=20000, method="percentile", random_state=random
        )
        low, high = found.confidence_interval
        yield {"gains": gains.tolist(), "low": low, "high": high}


def pandas(path):
    """What pandas reads: names and types of columns, and the values as text."""
    table = pd.read_parquet(path)
    types = {name: str(kind) for name, kind in table.dtypes.items()}
    return {"types": types, "rows": table.astype(object).where(table.notna(), None).astype(str).values.tolist()}


if len(sys.argv) > 1:
    answer = pandas(sys.argv[1])
else:
    answer = {
        "measures": [
            {"measure": name, "label": plain(label), "prediction": plain(prediction), "value": float(value)}
            for name, label, prediction, value in measures()
        ],
        "drift": [
            {
                "reference": reference,
                "window": window,
                "exact": exact,
                "values": {name: float(value) for name, value in values.items()},
            }
            for reference, window, exact, values in drift()
        ],
        "bootstrap": list(bootstrap()),
    }
json.dump(answer, sys.stdout, allow_nan=False)

"""Logs so many metrics, one call each, as a training loop does."""

import sys

import mlflow

with mlflow.start_run():
    for step in range(int(sys.argv[1])):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)

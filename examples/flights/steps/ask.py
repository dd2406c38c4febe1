"""Asks the endpoint about every flight of the months that were added, a request for each day and airport.

Stands in for the users of the model. A request has an id, and its rows carry the key that their outcome comes under.
"""

import json
import os
from pathlib import Path

import mlflow
import pandas
from columns import KEY, encode, local_day
from service import ADDRESS, session

ENDPOINT = f"{ADDRESS}/endpoints/flights"
client = session()


def ask(rows: pandas.DataFrame, request_id: str) -> list[float]:
    """Returns the predictions for rows."""
    # JSON has no NaN: what is missing is null.
    body = json.loads(rows.to_json(orient="split", date_format="iso", date_unit="s", index=False))
    answer = client.post(
        f"{ENDPOINT}/invocations",
        json={"dataframe_split": body},
        headers={"X-Request-Id": request_id},
        timeout=60,
    )
    answer.raise_for_status()
    # A row is answered by the outputs of the model, of which there is one.
    return [minutes for row in answer.json()["predictions"] for minutes in row.values()]


try:
    mlflow.MlflowClient().get_model_version_by_alias("flights", "champion")
except mlflow.exceptions.MlflowException as error:
    print(f"nobody serves the model yet: {error}")
    raise SystemExit

added = json.loads(Path(os.environ["WINDLASS_PARAMS"]).read_text())["added"]
for name in added:
    flights = pandas.read_parquet(Path(os.environ["WINDLASS_INPUTS"]) / "flights" / name)
    # A flight that was cancelled never leaves, and nobody asks.
    flights = flights[flights["dep_delay"].notna()].sort_values(KEY, ignore_index=True)
    rows = pandas.concat([flights[KEY], encode(flights)], axis="columns")
    asked, total = 0, 0.0
    for (day, origin), part in rows.groupby([local_day(flights), flights["origin"]]):
        predictions = ask(part, f"{day:%Y-%m-%d}-{origin}")
        asked, total = asked + len(predictions), total + sum(predictions)
    print(f"{name}: asked about {asked} flights, {total / asked:.2f} minutes late on average, says the model")

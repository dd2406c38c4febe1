"""A session with the server that this step belongs to; waits while it starts again or has too much to do."""

import os

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

ADDRESS = os.environ["MLFLOW_TRACKING_URI"]


def session() -> requests.Session:
    """Returns a session that has the step's token. Asking twice is harmless: a row's last prediction counts, once."""
    waits = Retry(total=60, backoff_factor=0.5, backoff_max=2, status_forcelist=[429, 503], allowed_methods=None)
    session = requests.Session()
    session.mount(ADDRESS, HTTPAdapter(max_retries=waits))
    session.headers["Authorization"] = "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]
    return session

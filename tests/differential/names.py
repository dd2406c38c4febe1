"""Names for what each server calls otherwise: ids, instants, and names that nobody chose."""

import re
import sys
import time

# A placeholder in calls and answers. Letters and digits only, so that it stands in URLs and JSON as it is.
PLACEHOLDER = "Qz{}zQ"
_PLACEHOLDERS = re.compile(r"Qz\d+zQ")
# Ids of runs and of logged models.
_IDS = re.compile(r"m-[0-9a-f]{32}|[0-9a-f]{32}")
# Numbers of experiments within texts: in URIs and in messages.
_EXPERIMENTS = re.compile(r"(?<=mlflow-artifacts:/)\d+|(?<=Experiment with id=)\d+|(?<=experiment )\d+|(?<=experiment with id )\d+|(?<=')\d+(?=/)")
# The names of runs that were given none: `brisk-otter-217`.
_UNCHOSEN = re.compile(r"^[a-z]+-[a-z]+-\d+$")
# Where instants stand, in milliseconds.
_INSTANTS = re.compile(r"(time|timestamp|timestamp_ms)$")
# How far an instant may lie back to be one that a server chose, in milliseconds.
_RECENT = 3_600_000


class Names:
    """One server's ids by placeholder, and back."""

    def __init__(self):
        self._actual: dict[str, str] = {}
        self._placeholder: dict[str, str] = {}
        self._experiments: dict[str, str] = {}

    def give(self, placeholder: str, actual: str) -> None:
        self._actual[placeholder] = actual
        # A number means an experiment only where one stands.
        known = self._experiments if actual.isdigit() else self._placeholder
        known[actual] = placeholder

    def actual(self, text: str) -> str:
        """Returns the text as this server is to see it."""
        return _PLACEHOLDERS.sub(lambda match: self._actual.get(match[0], match[0]), text)

    def common(self, value, key: str = ""):
        """Returns an answer as both servers should give it."""
        if isinstance(value, dict):
            return {name: self.common(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.common(inner, key) for inner in value]
        if isinstance(value, str):
            if key in ("run_name", "name", "value") and _UNCHOSEN.match(value):
                return "<a name>"
            if key == "experiment_id":
                return self._experiments.get(value, value if value == "0" else "<an experiment>")
            value = _EXPERIMENTS.sub(lambda match: self._experiments.get(match[0], match[0]), value)
            return _IDS.sub(lambda match: self._placeholder.get(match[0], "<an id>"), value)
        if isinstance(value, int) and _INSTANTS.search(key) and abs(time.time() * 1000 - value) < _RECENT:
            return "<now>"
        if isinstance(value, float) and abs(value) == sys.float_info.max:
            # MLflow's databases hold no infinity: it keeps the largest number instead. We keep what was sent.
            return "Infinity" if value > 0 else "-Infinity"
        return value

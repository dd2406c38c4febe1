"""A story's view of both servers: it asks, and what they answer differently is written down."""

import itertools
import random
import re
from dataclasses import dataclass

from differential.allowed import reason
from differential.names import PLACEHOLDER
from differential.pair import Answer, Call, Pair

_REPEATED = re.compile(r"(.{1,12}?)\1{40,}", re.DOTALL)
_numbers = itertools.count(1)
# Lists that neither server promises an order for.
_UNORDERED = ("tags", "params", "metrics", "aliases", "dataset_inputs", "model_inputs", "model_outputs")


@dataclass(frozen=True)
class Difference:
    """A call that was answered differently, without one of the reasons for which that is allowed."""

    call: Call
    reference: Answer
    ours: Answer

    def __str__(self) -> str:
        if self.reference.status == self.ours.status:
            lines = [f"  {where}: {short(theirs)} | {short(ours)}" for where, theirs, ours in _apart(self.reference.body, self.ours.body)]
            return "\n".join([f"{short(self.call)} -> {self.ours.status}, mlflow | ours", *lines[:12]])
        return f"{short(self.call)}\n  mlflow  {shown(self.reference)}\n  ours    {shown(self.ours)}"


def _apart(theirs: object, ours: object, where: str = "body"):
    """Yields where two bodies differ, and what each has there."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            yield from _apart(theirs.get(key, "(nothing)"), ours.get(key, "(nothing)"), f"{where}.{key}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for place, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from _apart(one, other, f"{where}[{place}]")
    elif isinstance(theirs, list) and isinstance(ours, list):
        missed, added = list(theirs), list(ours)
        for item in theirs:
            if item in added:
                missed.remove(item)
                added.remove(item)
        yield where, missed, added
    elif theirs != ours:
        yield where, theirs, ours


def short(text: object) -> str:
    """Returns a text without what repeats in it, and without what is too much to read."""
    text = _REPEATED.sub(lambda match: f"{match[1]}…×{len(match[0]) // len(match[1])}", str(text))
    return text if len(text) < 1500 else text[:1500] + "…"


def shown(answer: Answer) -> str:
    return f"{answer.status} {short(answer.body)}"


class World:
    """Asks both servers on behalf of one story."""

    def __init__(self, pair: Pair, name: str, seed: int):
        self.pair = pair
        self.name = name
        self.random = random.Random(f"{name} {seed}")
        self.differences: list[Difference] = []
        self.allowed: dict[str, int] = {}
        self.calls = 0
        # Whether the last call had the same status from both.
        self.agreed = True

    def ask(self, method: str, path: str, body=None, query=(), content_type="application/json") -> Answer:
        """Sends one call to both; returns the reference's answer, with ids as placeholders."""
        if isinstance(query, dict):
            query = tuple(query.items())
        call = Call(method, path, body, tuple(query), content_type)
        self.calls += 1
        theirs = self.pair.reference.ask(call)
        ours = self.pair.ours.ask(call)
        common = Answer(theirs.status, _sorted(self.pair.reference.names.common(theirs.body)))
        same = Answer(ours.status, _sorted(self.pair.ours.names.common(ours.body)))
        if common != same:
            why = reason(call, common, same)
            if why is None:
                self.differences.append(Difference(call, common, same))
            else:
                self.allowed[why] = self.allowed.get(why, 0) + 1
        self._answers = (theirs.body, ours.body)
        self.agreed = theirs.status == ours.status
        return common

    def made(self, *path: str) -> str:
        """Returns a placeholder for the id at `path` in the last answers."""
        placeholder = PLACEHOLDER.format(next(_numbers))
        for side, body in zip((self.pair.reference, self.pair.ours), self._answers, strict=True):
            for step in path:
                body = body.get(step, {}) if isinstance(body, dict) else {}
            side.names.give(placeholder, body if isinstance(body, str) else f"missing-{placeholder}")
        return placeholder

    def post(self, path: str, body=None, **how) -> Answer:
        return self.ask("POST", f"/api/2.0/mlflow/{path}", {} if body is None else body, **how)

    def get(self, path: str, *pairs, **query) -> Answer:
        return self.ask("GET", f"/api/2.0/mlflow/{path}", query=(*pairs, *query.items()))

    def patch(self, path: str, body=None, **how) -> Answer:
        return self.ask("PATCH", f"/api/2.0/mlflow/{path}", {} if body is None else body, **how)

    def delete(self, path: str, body=None, **how) -> Answer:
        return self.ask("DELETE", f"/api/2.0/mlflow/{path}", {} if body is None else body, **how)

    def unique(self, what: str) -> str:
        """Returns a name that no other story uses."""
        return f"{what} {self.name} {self.random.getrandbits(32):08x}"

    def experiment(self, **body) -> str:
        self.post("experiments/create", {"name": self.unique("e"), **body})
        return self.made("experiment_id")

    def run(self, experiment: str, **body) -> str:
        self.post("runs/create", {"experiment_id": experiment, "start_time": 5, "run_name": "r", **body})
        return self.made("run", "info", "run_id")

    def logged_model(self, experiment: str, **body) -> str:
        self.post("logged-models", {"experiment_id": experiment, "name": "l", **body})
        return self.made("model", "info", "model_id")

    def model(self, **body) -> str:
        name = self.unique("m")
        self.post("registered-models/create", {"name": name, **body})
        return name


def _sorted(value, key: str = ""):
    if isinstance(value, dict):
        return {name: _sorted(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        inner = [_sorted(item) for item in value]
        return sorted(inner, key=repr) if key in _UNORDERED else inner
    return value

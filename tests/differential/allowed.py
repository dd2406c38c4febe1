"""Where we answer otherwise than MLflow, and mean to: each with its reason."""

from differential.pair import Answer, Call


def _their_failure(call: Call, theirs: Answer, ours: Answer) -> bool:
    return theirs.status == 500 and (theirs.is_page or "INTERNAL_ERROR" in str(theirs.body)) and ours.status < 500


def _no_page(call: Call, theirs: Answer, ours: Answer) -> bool:
    return theirs.is_page and theirs.status == ours.status


def _quoted_database(call: Call, theirs: Answer, ours: Answer) -> bool:
    words = theirs.body.get("message", "") if isinstance(theirs.body, dict) else ""
    return theirs.status == 400 and "sqlite3." in words and ours.status < 500


def _location(call: Call, theirs: Answer, ours: Answer) -> bool:
    return isinstance(ours.body, dict) and "'artifact_location' cannot be chosen" in ours.body.get("message", "")


def _name(call: Call, theirs: Answer, ours: Answer) -> bool:
    return call.path.endswith("/delete-tag") and "mlflow.runName" in str(call.body) and ours.status == 404


def _stricter_path(call: Call, theirs: Answer, ours: Answer) -> bool:
    is_artifact = "artifact" in call.path
    return is_artifact and ours.status == 400 and isinstance(ours.body, dict) and ours.body["message"] == "Invalid path"


def _fast_route(call: Call, theirs: Answer, ours: Answer) -> bool:
    detail = theirs.body.get("detail") if isinstance(theirs.body, dict) else None
    return detail is not None and theirs.status == ours.status and ours.body["message"] == detail


def _hint(call: Call, theirs: Answer, ours: Answer) -> bool:
    if not isinstance(theirs.body, dict) or not isinstance(ours.body, dict):
        return False
    theirs, ours = theirs.body.get("message", ""), ours.body.get("message", "")
    return "scheme addresses a host" in theirs and theirs.split(" Set the ")[0] == ours


def _model_id(call: Call, theirs: Answer, ours: Answer) -> bool:
    return theirs.status == ours.status and theirs.body == _without(ours.body, "model_id")


def _without(value, key: str):
    if isinstance(value, dict):
        return {name: _without(inner, key) for name, inner in value.items() if name != key}
    return [_without(inner, key) for inner in value] if isinstance(value, list) else value


def _working_folder(call: Call, theirs: Answer, ours: Answer) -> bool:
    def tail(answer: Answer) -> str | None:
        _, found, rest = str(answer.body).partition("'. To use a local path as a model version source")
        return rest if found else None

    return tail(theirs) is not None and tail(theirs) == tail(ours)


def _no_description(call: Call, theirs: Answer, ours: Answer) -> bool:
    ours_none = isinstance(ours.body, dict) and ours.body.get("model_version", {}).get("description") == ""
    return ours_none and theirs.body == _without(_without(ours.body, "description"), "model_id")


def _nul(call: Call, theirs: Answer, ours: Answer) -> bool:
    return ours.status == 400 and isinstance(ours.body, dict) and "NUL character" in ours.body["message"]


def _deep(call: Call, theirs: Answer, ours: Answer) -> bool:
    return isinstance(ours.body, dict) and "levels deep" in ours.body.get("message", "")


def _no_json(call: Call, theirs: Answer, ours: Answer) -> bool:
    return ours.status == 400 and isinstance(ours.body, dict) and ours.body.get("message") == "The request body is not JSON."


def _unbounded(call: Call, theirs: Answer, ours: Answer) -> bool:
    """MLflow's columns have these limits too, but SQLite does not hold to them."""
    message = ours.body.get("message", "") if isinstance(ours.body, dict) else ""
    unnoticed = theirs.status == 200 or "not found" in str(theirs.body)
    return unnoticed and message in ("'name' exceeds the maximum length of 500 characters", "'key' exceeds the maximum length of 250 characters", "'run_name' exceeds the maximum length of 8000 characters")


# Each is asked in turn; the first that holds is why a difference is none.
_REASONS = [
    ("a body that is no JSON is refused; MLflow takes it for an empty one, and may make a run of it", _no_json),
    ("MLflow's handler fails on its own; we refuse what is wrong", _their_failure),
    ("MLflow lets its database refuse, and quotes it", _quoted_database),
    ("artifacts lie where this server keeps them; nobody chooses where", _location),
    ("the name of a run is its own and shown as a tag; it cannot be taken away", _name),
    ("paths that lead elsewhere, or would on some system, are refused whether or not they lead far", _stricter_path),
    ("MLflow's route for downloads has an error body of its own", _fast_route),
    ("the hint names a setting of MLflow's", _hint),
    ("we know which logged model a version was made from; MLflow's database forgets it", _model_id),
    ("a relative source is shown as it came, not as seen from a server's own folder", _working_folder),
    ("an empty description is none", _no_description),
    ("PostgreSQL holds no NUL, so none is taken", _nul),
    ("what nests deeply is not read", _deep),
    ("MLflow's columns have a limit that SQLite does not hold to", _unbounded),
    ("MLflow's framework answers with a page; we answer with its error body", _no_page),
]


def reason(call: Call, theirs: Answer, ours: Answer) -> str | None:
    """Returns why it is right that `ours` is not `theirs`, if it is."""
    return next((why for why, holds in _REASONS if holds(call, theirs, ours)), None)

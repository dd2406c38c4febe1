"""The example when something is not as it should be: a broken file, an interruption, a second start."""

import signal
import subprocess
import time

from place import Place
from shorten import replace, shorten


def up(place: Place):
    return place.run("up", "flights", "--until-idle", "--listen", "127.0.0.1:0", limit=1800)


def test_a_broken_month_is_rejected_and_the_rest_goes_on(place: Place):
    folder = shorten(place.folder / "flights", months=4)
    lay = folder / "world" / "lay.py"
    cut = 'content = source.read_bytes()\nif (dataset, month) == ("flights", 3):\n    content = content[:5000]\n'
    replace(lay, {"content = source.read_bytes()\n": cut})
    ended = up(place)
    # Rejected data is a normal end.
    assert ended.returncode == 0, ended.stderr

    with place.server():
        versions = place.read("get", "versions", "flights")
        rejected = [version for version in versions if version["state"] == "rejected"]
        assert len(rejected) == 1
        failures = [(failure["path"], failure["expectation"]) for failure in rejected[0]["failures"]]
        assert failures == [("2013-03.parquet", "readable")]
        newest = max(versions, key=lambda version: version["number"])
        assert newest["state"] == "accepted"
        assert [file["path"] for file in newest["files"]] == [f"2013-0{month}.parquet" for month in (1, 2, 4)]
        assert [omitted["path"] for omitted in newest["omitted"]] == ["2013-03.parquet"]
        # Nobody was asked about the flights of March, and so its arrivals say nothing about the model.
        seen = place.read("monitor", "show", "flights-quality")["observations"]
        assert [(window["window"], window["rows"] > 0) for window in seen][2:] == [
            ("arrivals version 3 (2013-03.parquet)", False),
            ("arrivals version 4 (2013-04.parquet)", True),
        ]
        runs = place.read("get", "runs")
        assert {run["state"] for run in runs} == {"succeeded"}
        ended = place.run("get", "versions", "flights")
        assert "2013-03.parquet" in ended.stdout


def test_a_second_start_does_no_work_twice(place: Place):
    shorten(place.folder / "flights", months=2)
    first = up(place)
    assert first.returncode == 0, first.stderr
    before = place.run("export", "--canonical").stdout
    second = up(place)
    assert second.returncode == 0, second.stderr
    assert place.run("export", "--canonical").stdout == before


def test_an_interruption_is_made_good_uncounted(place: Place):
    shorten(place.folder / "flights", months=2)
    calm = Place(place.binary, place.folder / "calm")
    calm.folder.mkdir()
    shorten(calm.folder / "flights", months=2)
    assert up(calm).returncode == 0

    for pause in (3, 8, 12):
        process = subprocess.Popen(
            [place.binary, "up", "flights", "--until-idle", "--listen", "127.0.0.1:0"],
            cwd=place.folder,
            env=place.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(pause)
        if process.poll() is not None:
            assert process.returncode == 0
            break
        process.send_signal(signal.SIGINT)
        # Not everything has ended, so `--until-idle` did not get what it was asked for.
        assert process.wait(timeout=120) == 1
    ended = up(place)
    assert ended.returncode == 0, ended.stderr
    assert place.run("export", "--canonical").stdout == calm.run("export", "--canonical").stdout

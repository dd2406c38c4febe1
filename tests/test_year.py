"""The main job as the README has it: the whole year, with the numbers that were measured beforehand."""

import re
import time

import pytest
from conftest import ROOT
from crowd import Crowd
from place import Place
from shorten import shorten

pytestmark = pytest.mark.year

# A flight that never was: nothing comes to be known of it, so that it is in no number of any monitor.
ROW = {
    "time_hour": "1999-01-01T10:00:00Z",
    "carrier": "AA",
    "flight": 1,
    "dep_delay": 10.0,
    "distance": 2475.0,
    "temp": 60.0,
    "wind_speed": 8.0,
    "wind_gust": None,
    "precip": 0.0,
    "pressure": 1015.0,
    "visib": 10.0,
    "departure_minute": 600.0,
    "arrival_minute": 780.0,
    "weekday": 4.0,
    "carrier_code": 1.0,
    "origin_code": 1.0,
    "dest_code": 50.0,
}


def test_the_year(place: Place):
    # A copy, because datasets lie beside their manifests and the checkout has to stay clean; nothing in it is shorter.
    shorten(place.folder / "flights", months=12, sample=1.0)
    assert (place.folder / "flights/pipeline-train.yaml").read_text() == (
        ROOT / "examples/flights/pipeline-train.yaml"
    ).read_text()
    with place.server("flights") as address:
        crowd = Crowd(f"{address}/endpoints/flights", place.token, ROW)
        end = time.monotonic() + 3600
        while "Ctrl-C stops" not in (place.folder / "server.log").read_text():
            assert time.monotonic() < end, "the year is not over after an hour"
            time.sleep(0.2)
        crowd.stop()
    # Whoever asks all the time notices nothing of a version that comes and one that goes.
    print(f"{crowd.answered} requests of others were answered")
    assert crowd.failures == []
    assert crowd.answered > 1000
    # Nothing is left to do, and all ended as the manifests allow.
    ended = place.run("up", "flights", "--until-idle", "--listen", "127.0.0.1:0", limit=600)
    assert ended.returncode == 0, ended.stderr

    with place.server():
        runs = place.read("get", "runs", "--pipeline", "train")
        # The first from data, all others because what was served got worse.
        assert {run["state"] for run in runs} == {"succeeded"}
        causes = [run["cause"]["text"] for run in sorted(runs, key=lambda run: run["number"])]
        assert causes[0].startswith("dataset arrivals version 2 ")
        assert len(causes) > 1
        assert all(cause.startswith("monitor flights-quality, arrivals version ") for cause in causes[1:]), causes
        log = place.run("logs", "train-1/register").stdout
        table = re.findall(r"^ +(\d+)  (\S+)  +(all|last-3-months)  +([\d.]+)  +([\d.]+)$", log, re.MULTILINE)
        assert [int(row[0]) for row in table] == [1, 2]
        assert table[0][1:3] == ("2013-02-28", "all")
        assert float(table[0][3]) == pytest.approx(13.0, abs=0.1)

        # Every candidate was judged, and the first one took the alias; the loop promoted later, and refused too.
        story = [line for line in place.read("story", "flights") if line["what"] == "verdict"]
        assert len(story) == 2 * len(runs)
        assert story[0]["text"].startswith("version 1 is champion now, the first one: ")
        assert any(" is champion now, instead of 1: " in line["text"] for line in story)
        assert any(" may not be champion: " in line["text"] for line in story)

        # Version 1 alone beside what was served, month by month.
        log = place.run("logs", "report-10/frozen").stdout
        print(log)
        months = re.findall(r"^(2013-\d\d) +([\d.]+) +([\d.]+) +(\d+)", log, re.MULTILINE)
        assert [month for month, *_ in months] == [f"2013-{month:02}" for month in range(3, 13)]
        frozen, served = ([float(month[place]) for month in months] for place in (1, 2))
        assert served[:3] == frozen[:3]
        # From June on, after the first promotion.
        assert sum(served[3:]) < sum(frozen[3:])
        assert place.run("ledger", "verify").returncode == 0

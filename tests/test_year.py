"""The main job as the README has it: the whole year, with the numbers that were measured beforehand."""

import re

import pytest
from conftest import ROOT
from place import Place
from shorten import shorten

pytestmark = pytest.mark.year


def test_the_year(place: Place):
    # A copy, because datasets lie beside their manifests and the checkout has to stay clean; nothing in it is shorter.
    shorten(place.folder / "flights", months=12, sample=1.0)
    assert (place.folder / "flights/pipeline-train.yaml").read_text() == (
        ROOT / "examples/flights/pipeline-train.yaml"
    ).read_text()
    ended = place.run("up", "flights", "--until-idle", "--listen", "127.0.0.1:0", limit=3600)
    assert ended.returncode == 0, ended.stderr

    with place.server():
        runs = place.read("get", "runs", "--pipeline", "train")
        assert len(runs) == 11
        assert {run["state"] for run in runs} == {"succeeded"}
        log = place.run("logs", "train-11/register").stdout
        table = re.findall(r"^ +(\d+)  (\S+)  +(all|last-3-months)  +([\d.]+)  +([\d.]+)$", log, re.MULTILINE)
        print(log)
        assert [int(row[0]) for row in table] == list(range(1, 23))
        assert table[0][1:3] == ("2013-02-28", "all")
        assert float(table[0][3]) == pytest.approx(13.0, abs=0.1)
        # A model that is worth having beats the guess that a flight arrives as late as it left.
        assert all(float(row[3]) < float(row[4]) for row in table)

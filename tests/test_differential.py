"""MLflow's own server and ours are asked the same, thousands of times, and must answer the same.

`WINDLASS_DIFFERENTIAL_SEEDS` says how many seeds each story is told with; one, unless it says otherwise.
"""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from differential.pair import Pair, Side, reference
from differential.stories import STORIES
from differential.world import World
from place import Place

SEEDS = int(os.environ.get("WINDLASS_DIFFERENTIAL_SEEDS", "1"))
# How many differences of one story are shown.
SHOWN = int(os.environ.get("WINDLASS_DIFFERENTIAL_SHOWN", "20"))


@pytest.fixture(scope="module")
def told(binary, tmp_path_factory):
    """Every story, told to both servers: what each found."""
    folder = tmp_path_factory.mktemp("differential")
    place = Place(binary, folder)
    with reference(folder / "mlflow") as theirs, place.server() as ours:
        pair = Pair(Side(theirs, {}), Side(ours, {"Authorization": f"Bearer {place.token}"}))
        worlds = {(name, seed): World(pair, name, seed) for name in STORIES for seed in range(SEEDS)}

        def tell(key):
            STORIES[key[0]](worlds[key])
            return worlds[key]

        with ThreadPoolExecutor(2) as pool:
            yield {key: pool.submit(tell, key) for key in worlds}


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("name", STORIES)
def test_both_answer_the_same(told, name, seed):
    world = told[name, seed].result()
    found = "\n".join(str(difference) for difference in world.differences[:SHOWN])
    assert not world.differences, f"{len(world.differences)} of {world.calls} calls\n{found}"


def test_much_is_asked(told):
    worlds = [future.result() for future in told.values()]
    reasons = Counter()
    for world in worlds:
        reasons.update(world.allowed)
    calls = sum(world.calls for world in worlds)
    print(f"{calls} calls; differences that are meant: {dict(reasons)}")
    assert calls > 3000

"""Values that somebody sends by mistake, or to see what happens."""

import random

MAX, MIN = 2**63 - 1, -(2**63)

# Text that is fine as a value, and may not be as a name.
TEXTS = [
    "", " ", "x", "a b", "a/b", "a//b", "../a", "/a", "a/", "./a", "a/..", ".", "..", "a.b-c_d:e", "a#b", "a%2eb", "a\\b",
    "a\nb", "a\n", "a'b", 'a"b', "null", "ä", "😀 emoji", "\u202eRTL", "שלום", "\ufeffx", "\ud800", "５", "a\u0301",
]  # fmt: skip
# What is no text at all.
NO_TEXTS = [None, 0, 5, -1.5, True, False, [], ["x"], {}, {"a": "b"}]
INTEGERS = [
    None, "", 0, "0", 5, "5", -1, "-7", "+8", " 9", "1_0", "abc", 1.0, "1.0", 1.5, "1.5", 1e3, "1e3", True, [], {}, [1],
    MAX, MIN, MAX + 1, MIN - 1, str(MAX), str(MAX + 1), 1e30, "NaN", float("nan"), float("inf"), "٣", "0x10", 10**30,
]  # fmt: skip
NUMBERS = [
    None, "", 0, "0", 5, "5", -1.5, "-1.5", " 2 ", "1_000", "abc", True, [], {}, [1.0], MAX, -0.0, 0.1, 1e16, 1e-5, 1e22,
    1.7e308, 5e-324, 123456789.12345679, "NaN", "nan", "Infinity", "-Infinity", "inf", "-inf", "1e400",
    float("nan"), float("inf"), float("-inf"), 10**30, 10**400, "infinity", "+5", "1e5",
]  # fmt: skip
LISTS = [None, [], {}, "x", 5, True, [None], ["x"], [5], [[]], [{}], {"key": "a", "value": "b"}]
PAIRS = [
    {"key": "k", "value": "v"}, {"key": "k"}, {"value": "v"}, {}, {"key": "", "value": "v"}, {"key": None, "value": "v"},
    {"key": "k", "value": None}, {"key": 5, "value": "v"}, {"key": "k", "value": 5}, {"key": "k", "value": ""},
    {"key": "../k", "value": "v"}, {"key": "k", "value": "v", "other": 1},
    {"key": "k", "value": ["v"]}, {"key": "k", "value": True}, {"key": "😀", "value": "😀"},
]  # fmt: skip


def long(most: int) -> list[str]:
    """Returns texts around a limit, in letters of one byte and of more."""
    return ["x" * (most - 1), "x" * most, "x" * (most + 1), "ä" * most, "😀" * most, "ä" * (most + 1)]


def around(base: dict, **odd: list) -> list[dict]:
    """Returns `base` with each of its parameters left out, and set to each odd value; then some mixtures."""
    bodies = [base]
    for name, values in odd.items():
        without = {key: value for key, value in base.items() if key != name}
        bodies.append(without)
        bodies += [{**without, name: value} for value in values]
        # First in the object: what stands after a mistake is read differently.
        bodies += [{name: value, **without} for value in values[:3]]
    return bodies


def mixed(chance: random.Random, base: dict, count: int, **odd: list) -> list[dict]:
    """Returns `count` bodies with several odd values at once, in any order."""
    bodies = []
    for _ in range(count):
        body = dict(base)
        for name in chance.sample(sorted(odd), k=min(len(odd), chance.randint(2, 3))):
            body[name] = chance.choice(odd[name])
        pairs = list(body.items())
        chance.shuffle(pairs)
        bodies.append(dict(pairs))
    return bodies

"""ConfigSpace's JSON becomes a Space that allows exactly the same configurations."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from trimtab._random import rng_for
from trimtab.bench.tasks._configspace import space_from
from trimtab.errors import SpaceError


def number(name: str, low: float, high: float, kind: str = "uniform_float", log: bool = False) -> dict[str, Any]:
    return {"name": name, "type": kind, "log": log, "lower": low, "upper": high, "default_value": low}


def label(name: str, *choices: Any) -> dict[str, Any]:
    return {"name": name, "type": "categorical", "choices": list(choices), "default_value": choices[0], "weights": None}


def ordinal(name: str, *sequence: Any) -> dict[str, Any]:
    return {"name": name, "type": "ordinal", "sequence": list(sequence), "default_value": sequence[0]}


def when(child: str, parent: str, kind: str, value: Any) -> dict[str, Any]:
    word = "values" if kind == "IN" else "value"
    return {"child": child, "parent": parent, "type": kind, word: value}


def both(child: str, *parts: dict[str, Any], kind: str = "AND") -> dict[str, Any]:
    return {"child": child, "type": kind, "conditions": list(parts)}


SPACES: dict[str, dict[str, Any]] = {
    "svm": {
        "hyperparameters": [
            label("kernel", "linear", "polynomial", "radial"),
            number("cost", 4.5399929762484854e-05, 22026.465794806718, log=True),
            number("degree", 2, 5, "uniform_int"),
            number("gamma", 1e-3, 10.0, log=True),
        ],
        "conditions": [when("degree", "kernel", "EQ", "polynomial"), when("gamma", "kernel", "EQ", "radial")],
    },
    "boost": {  # three levels, a dotted name, IN within AND
        "hyperparameters": [
            label("learner", "ranger", "xgboost"),
            label("xgboost.booster", "gblinear", "gbtree", "dart"),
            number("xgboost.eta", 1e-4, 1.0, log=True),
            number("xgboost.rate_drop", 0.0, 1.0),
            label("ranger.replace", "TRUE", "FALSE"),
        ],
        "conditions": [
            when("xgboost.booster", "learner", "EQ", "xgboost"),
            both(
                "xgboost.eta",
                when("xgboost.eta", "xgboost.booster", "IN", ["dart", "gbtree"]),
                when("xgboost.eta", "learner", "EQ", "xgboost"),
            ),
            both(
                "xgboost.rate_drop",
                when("xgboost.rate_drop", "xgboost.booster", "EQ", "dart"),
                when("xgboost.rate_drop", "learner", "EQ", "xgboost"),
            ),
            when("ranger.replace", "learner", "EQ", "ranger"),
        ],
    },
    "cell": {  # as in nb301: an edge is there for some inputs of its node
        "hyperparameters": [
            label("inputs_node_3", "0_1", "0_2", "1_2"),
            *[label(f"edge_{i}", "max_pool_3x3", "skip_connect") for i in range(3)],
        ],
        "conditions": [
            when("edge_0", "inputs_node_3", "IN", ["0_1", "0_2"]),
            when("edge_1", "inputs_node_3", "IN", ["0_1", "1_2"]),
            when("edge_2", "inputs_node_3", "IN", ["0_2", "1_2"]),
        ],
    },
    "numbers": {  # conditions on numbers and places in a list, OR, a constant
        "hyperparameters": [
            number("layers", 1, 5, "uniform_int"),
            ordinal("size", "small", "medium", "large"),
            number("dropout", 0.0, 0.5),
            number("width", 8, 512, "uniform_int", log=True),
            number("skip", 0.0, 1.0),
            {"name": "version", "type": "constant", "value": "v1"},
        ],
        "conditions": [
            when("dropout", "layers", "GT", 2),
            when("width", "size", "GT", "small"),
            both("skip", when("skip", "layers", "LT", 2), when("skip", "size", "NEQ", "medium"), kind="OR"),
        ],
    },
    "forbidden": {
        "hyperparameters": [
            label("solver", "saga", "lbfgs", "liblinear"),
            label("penalty", "l1", "l2", "none"),
            number("low", 0, 10, "uniform_int"),
            number("high", 0, 10, "uniform_int"),
            number("ratio", 0.0, 1.0),
        ],
        "conditions": [when("ratio", "solver", "EQ", "saga")],
        "forbiddens": [
            {
                "type": "AND",
                "clauses": [
                    {"name": "solver", "type": "EQUALS", "value": "lbfgs"},
                    {"name": "penalty", "type": "IN", "values": ["l1"]},
                ],
            },
            {"type": "RELATION_GT", "left": "low", "right": "high"},
            {"type": "CLAUSE_GE", "name": "ratio", "value": 0.9},
        ],
    },
}


@pytest.mark.parametrize("name", SPACES)
def test_a_thousand_configurations_are_valid_both_ways(name: str) -> None:
    ConfigSpace = pytest.importorskip("ConfigSpace")
    data = {"name": name, "conditions": [], "forbiddens": [], "format_version": 0.4, **SPACES[name]}
    theirs = ConfigSpace.ConfigurationSpace.from_json(io.StringIO(json.dumps(data)))
    ours = space_from(data)
    for config in ours.decode(ours.sample(rng_for(0, "test"), 1000)):
        ConfigSpace.Configuration(theirs, values=config)  # checks itself
    theirs.seed(0)
    for config in theirs.sample_configuration(1000):
        plain = {key: getattr(value, "item", lambda v=value: v)() for key, value in dict(config).items()}
        assert ours.check(plain) == pytest.approx(plain)


def test_scales_defaults_and_weights_come_along() -> None:
    old = {"name": "c", "type": "categorical", "choices": ["a", "b"], "default": "b", "probabilities": [0.25, 0.75]}
    space = space_from(
        {
            "hyperparameters": [
                {"name": "x", "type": "uniform_float", "log": True, "lower": 1e-3, "upper": 1.0, "default": 0.1},
                {
                    "name": "q",
                    "type": "uniform_float",
                    "log": False,
                    "lower": 0.0,
                    "upper": 1.0,
                    "default": 0.5,
                    "q": 0.25,
                },
                {
                    "name": "n",
                    "type": "normal_float",
                    "mu": 0.0,
                    "sigma": 2.0,
                    "lower": -5.0,
                    "upper": 5.0,
                    "log": False,
                },
                {
                    "name": "b",
                    "type": "beta_float",
                    "alpha": 2.0,
                    "beta": 3.0,
                    "lower": 0.0,
                    "upper": 2.0,
                    "log": False,
                },
                number("one", 3, 3, "uniform_int"),
                old,
            ]
        }
    )
    assert space["x"].log is True
    assert space["x"].default == 0.1
    assert space["q"].step == 0.25
    assert space["n"].prior == {"normal": (0.0, 2.0)}
    assert space["b"].prior == {"beta": (2.0, 3.0)}
    assert space["one"].value == 3
    assert space["c"].weights == (0.25, 0.75)
    assert space["c"].default == "b"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hyperparameters": [{"name": "x", "type": "categorical_tree"}]}, "x: .*'categorical_tree'"),
        ({"hyperparameters": [number("x", 1, 2, "normal_float", log=True)]}, "normal prior on a log scale"),
        ({"hyperparameters": [{**number("x", 1, 2, log=True), "q": 0.5}]}, "q=0.5 on a log scale"),
        ({"hyperparameters": [{"name": "x", "type": "normal_float", "mu": 0, "sigma": 1}]}, "without bounds"),
        ({"conditions": [when("b", "a", "EQ", "never")]}, "a is never 'never'"),
        ({"conditions": [when("b", "z", "EQ", "x")]}, "names 'z'"),
        ({"conditions": [when("b", "a", "LIKE", "x")]}, "'LIKE' is not known"),
        ({"conditions": [when("b", "a", "EQ", "x"), when("b", "a", "NEQ", "y")]}, "AND or OR"),
        ({"forbiddens": [{"type": "XOR"}]}, "'XOR' is not known"),
        ({"forbiddens": [{"type": "RELATION", "lambda": "LT", "left": "a", "right": "b"}]}, "places in a list"),
    ],
)
def test_what_can_not_be_said_exactly_is_refused_by_name(change: dict[str, Any], words: str) -> None:
    data = {"hyperparameters": [label("a", "x", "y"), label("b", "x", "y")], **change}
    with pytest.raises(SpaceError, match=words):
        space_from(data)

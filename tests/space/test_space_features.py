"""What the contract says of each feature, with numbers worked out by hand."""

from __future__ import annotations

import dataclasses
import math
import pickle
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
import pytest

from trimtab.errors import SpaceError
from trimtab.space import Bool, Choice, Column, Const, Derived, Float, Int, Permutation, Simplex, Space, Subset

RNG = np.random.default_rng


def column(space: Space, values: list[Any]) -> list[float]:
    return space.encode([{"x": v} for v in values])[:, 0].tolist()


def test_units_by_hand() -> None:
    assert column(Space({"x": Float(0, 10)}), [0, 2.5, 10, 12]) == [0, 0.25, 1, 1.2]
    assert column(Space({"x": Float(1e-4, 1, log=True)}), [1e-4, 1e-2, 1]) == pytest.approx([0, 0.5, 1])
    assert column(Space({"x": Int(1, 4)}), [1, 2, 3, 4]) == [0.125, 0.375, 0.625, 0.875]
    assert column(Space({"x": Int(0, 20, step=10)}), [0, 10, 20]) == pytest.approx([1 / 6, 0.5, 5 / 6])
    assert column(Space({"x": Int(1, 8, log=2)}), [1, 2, 4, 8]) == [0.125, 0.375, 0.625, 0.875]
    assert column(Space({"x": Float(0, 0.4, step=0.1)}), [0.0, 0.4]) == pytest.approx([0.1, 0.9])
    assert column(Space({"x": Choice(["a", "b"])}), ["b", "a"]) == [1, 0]
    assert column(Space({"x": Choice(["a", "b"], ordered=True)}), ["b", "a"]) == [0.75, 0.25]
    low, high = math.log(0.5), math.log(8.5)
    assert column(Space({"x": Int(1, 8, log=True)}), [3]) == pytest.approx([(math.log(3) - low) / (high - low)])


def test_ends_are_exact_and_steps_print_as_typed() -> None:
    lr = Space({"x": Float(1e-5, 0.1, log=True)})
    assert [c["x"] for c in lr.decode(np.array([[0.0], [1.0], [-3.0], [7.0]]))] == [1e-5, 0.1, 1e-5, 0.1]
    steps = Space({"x": Float(0, 1, step=0.1)})
    assert [c["x"] for c in steps.grid(11)] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert [c["x"] for c in Space({"x": Float(-0.3, 0.3, step=0.15)}).grid(9)] == [-0.3, -0.15, 0.0, 0.15, 0.3]


@pytest.mark.parametrize(
    "domain",
    [
        Int(1, 5),
        Int(0, 20, step=5),
        Int(16, 256, log=2),
        Float(0, 0.4, step=0.1),
        Choice(list("abcde")),
        Choice(list("abcde"), ordered=True),
    ],
)
def test_every_value_is_equally_likely(domain: Any) -> None:
    space = Space({"x": domain})
    values = [c["x"] for c in space.decode(space.sample(RNG(0), 10_000))]
    counts = [values.count(v) for v in set(values)]
    assert len(counts) == 5
    assert max(abs(c - 2000) for c in counts) < 200  # five standard errors


def test_large_whole_numbers_are_exact_at_the_ends() -> None:
    space = Space({"x": Int(-(2**63), 2**63 - 1)})
    assert [c["x"] for c in space.decode(np.array([[0.0], [1.0]]))] == [-(2**63), 2**63 - 1]
    assert all(isinstance(c["x"], int) for c in space.decode(space.sample(RNG(0), 5)))
    assert space.check({"x": 2**62 + 1}) == {"x": 2**62 + 1}


def test_columns_and_slices() -> None:
    space = Space(
        {
            "a": Float(0, 1),
            "b": Const(3),
            "s": Subset(["p", "q"]),
            "c": Int(1, 4),
            "d": Choice(["x"]),
            "e": Derived("c + b"),
        }
    )
    assert space.columns == (
        Column("a", "real", 0),
        Column("s[p]", "choice", 2),
        Column("s[q]", "choice", 2),
        Column("c", "int", 4),
        Column("d", "choice", 1),
    )
    assert space.d == 5
    assert dict(space.slices) == {"a": slice(0, 1), "s": slice(1, 3), "c": slice(3, 4), "d": slice(4, 5)}
    (config,) = space.decode(np.array([[0.5, 1, 0, 0.1, 0]]))
    assert config == {"a": 0.5, "b": 3, "s": ["p"], "c": 1, "d": "x", "e": 4}
    assert isinstance(config["e"], int)
    assert space.column_cells(0) is None
    assert space.column_cells(1) is None
    assert space.column_cells(3).tolist() == [0, 0.25, 0.5, 0.75, 1]  # type: ignore[union-attr]
    assert [float(x[0]) for x in space.cells(3, np.array([0.3]))] == [0.25, 0.5]
    assert [float(x[0]) for x in space.cells(0, np.array([0.3]))] == [0.3, 0.3]


def test_priors() -> None:
    space = Space(
        {
            "n": Int(1, 8, prior={"normal": [3, 1]}),
            "lr": Float(1e-6, 1, log=True, prior={"normal": [1e-3, 0.5]}),
            "b": Float(0, 1, prior={"beta": [2, 8]}),
            "c": Choice(["a", "b", "c"], prior={"a": 8, "b": 2}),
            "f": Bool(prior=0.9),
        }
    )
    configs = space.decode(space.sample(RNG(1), 4000))
    columns = {name: np.array([c[name] for c in configs]) for name in space.names}
    assert np.median(columns["n"]) == 3
    assert columns["n"].std() == pytest.approx(1.0, abs=0.1)
    logs = np.log10(columns["lr"])
    assert logs.mean() == pytest.approx(-3, abs=0.05)
    assert logs.std() == pytest.approx(0.5, abs=0.03)
    assert columns["b"].mean() == pytest.approx(0.2, abs=0.02)
    assert [np.mean(columns["c"] == x) for x in "abc"] == pytest.approx([0.8, 0.2, 0.0], abs=0.03)
    assert columns["f"].mean() == pytest.approx(0.9, abs=0.03)
    few = [space.sample_config(RNG(i)) for i in range(300)]
    assert np.mean([c["n"] for c in few]) == pytest.approx(columns["n"].mean(), abs=0.3)
    assert Space.from_json(space.to_json()) == space
    far = Space({"x": Float(0, 1, prior={"normal": [30, 1]})})  # the mean lies far outside: still inside and finite
    assert all(0.5 < c["x"] <= 1 for c in far.decode(far.sample(RNG(0), 50)))


def test_conditions_follow_each_other() -> None:
    space = Space(
        {
            "deep": Float(0, 1, when="mid > 0.5"),  # declared before what it needs
            "mid": Float(0, 1, when={"top": ["a", "b"]}),
            "top": Choice(["a", "b", "c"]),
        }
    )
    X = space.activate(np.array([[0.3, 0.9, 0.0], [0.3, 0.9, 2.0], [0.3, 0.1, 1.0], [np.nan, 0.9, 1.0]]))
    np.testing.assert_array_equal(X, [[0.3, 0.9, 0], [np.nan, np.nan, 2], [np.nan, 0.1, 1], [np.nan, 0.9, 1]])
    assert space.decode(X)[1] == {"top": "c"}
    assert space.why_inactive("deep", {"top": "c"}) == "it needs mid > 0.5; this trial has no mid"
    assert space.why_inactive("mid", {"top": "c"}) == "it needs top in ['a', 'b']; this trial has 'c'"
    assert space.traits == {"conditional"}


def test_dependent_bounds_stay_in_order() -> None:
    space = Space({"a": Float(0, 1), "b": Float(0, "1 - a"), "n": Int(1, 9), "m": Int("n", "2 * n")})
    configs = space.decode(space.sample(RNG(0), 500))
    assert all(0 <= c["b"] <= 1 - c["a"] and c["n"] <= c["m"] <= 2 * c["n"] for c in configs)
    assert {c["m"] for c in configs if c["n"] == 2} == {2, 3, 4}
    assert space.encode([{"a": 0.5, "b": 0.25, "n": 2, "m": 3}])[0].tolist() == pytest.approx([0.5, 0.5, 1.5 / 9, 0.5])
    with pytest.raises(SpaceError, match=r"b: 0.7 is outside 0.0 to 0.5"):
        space.check({"a": 0.5, "b": 0.7, "n": 2, "m": 3})
    crossing = Space({"a": Float(0, 2), "b": Float(0, "1 - a")})
    assert crossing.feasible(np.array([[0.25, 0.5], [0.9, 0.5]])).tolist() == [True, False]
    assert all(c["a"] <= 1 for c in crossing.decode(crossing.sample(RNG(0), 50)))
    assert crossing.traits == {"rules"}


def test_rules() -> None:
    space = Space(
        {"a": Float(0, 1), "b": Float(0, 1), "c": Bool(), "d": Float(0, 1, when="c")},
        require="a + b <= 1",
        forbid=["d > 0.5"],
    )
    for config in space.decode(space.sample(RNG(0), 300)):
        assert config["a"] + config["b"] <= 1
        assert config.get("d", 0) <= 0.5
    X = np.array([[0.5, 0.4, 0, np.nan], [0.5, 0.6, 0, np.nan], [0.1, 0.1, 1, 0.6]])
    assert space.feasible(X).tolist() == [True, False, False]
    assert space.traits == {"conditional", "rules"}


MODEL = Space(
    {
        "lr": Float(0, 1, default=0.5),
        "model": Choice(
            {
                "svm": Space({"C": Int(1, 3, default=2)}),
                "forest": Space({"depth": Int(2, 5), "fast": Bool()}),
                "none": None,
            },
            default="svm",
        ),
        "opt": {"name": ["sgd", "adam"], "nesterov": Bool(when="name == 'sgd'")},
        "act": Choice({"relu": abs, "id": float}),
    }
)


def test_nested_choices_and_groups() -> None:
    config = {
        "lr": 0.5,
        "model": "forest",
        "model.forest.depth": 3,
        "model.forest.fast": True,
        "opt.name": "adam",
        "act": "relu",
    }
    assert MODEL.check(config) == config
    assert MODEL.branch(config, "model") == ("forest", {"depth": 3, "fast": True})
    assert MODEL.nested(config) == {
        "lr": 0.5,
        "model": {"forest": {"depth": 3, "fast": True}},
        "opt": {"name": "adam"},
        "act": "relu",
    }
    assert MODEL.nested({"model": "none"}) == {"model": "none"}
    assert MODEL.resolve(config)["act"] is abs
    assert MODEL.resolve(config)["model"] == "forest"
    again = Space.from_json(MODEL.to_json())
    assert again == MODEL
    assert again.nested(config) == MODEL.nested(config)
    assert again.resolve(config)["act"] == "relu"  # objects are never stored
    assert pickle.loads(pickle.dumps(MODEL)) == MODEL
    assert MODEL.why_inactive("model.svm.C", config) == "it needs model == 'svm'; this trial has 'forest'"
    assert "model" not in MODEL.drop("model")
    assert "model.svm.C" not in MODEL.drop("model")


def test_sizes_count_active_branches_only() -> None:
    assert MODEL.size == math.inf
    assert MODEL.drop("lr").size == (3 + 4 * 2 + 1) * (2 + 1) * 2
    assert sum(1 for _ in MODEL.drop("lr").grid(99)) == 72
    assert Space({"a": Int(1, 4), "b": Int(1, 4)}, require=["a < b"]).size == 6
    assert Space({"a": Const(1)}).size == 1
    assert Space({"s": Subset(list("abcd"), min=1, max=2)}).size == 10
    assert Space({"s": Permutation(list("abcd"))}).size == 24
    many = Space({f"on{i}": Bool() for i in range(30)} | {f"n{i}": Int(1, 3, when=f"on{i}") for i in range(30)})
    assert many.size == 4**30
    on_constants = Space(
        {"k": Const(2), "n": Int(1, 3), "m": Derived("n + k"), "c": Int(1, 5, when="m > 4"), "d": Bool(when="k == 1")}
    )
    assert on_constants.size == 1 + 1 + 5 == sum(1 for _ in on_constants.grid(9))
    assert Space({"c": Bool(), **{f"n{i}": Int(1, 2, when="c") for i in range(1500)}}).size == 1 + 2**1500


def test_grids() -> None:
    space = Space({"x": Float(0, 1), "n": Int(1, 100), "c": Choice(["a", "b"]), "y": Float(0, 1, when="c == 'b'")})
    configs = list(space.grid(2))
    assert len(configs) == len({space.key(c) for c in configs}) == 2 * 2 * (1 + 2)
    assert configs[0] == {"x": 0.25, "n": 26, "c": "a"}
    assert [c["x"] for c in Space({"x": Float(0, 1)}).grid(3, ends=True)] == [0, 0.5, 1]
    assert len(list(space.grid({"x": 5, "n": 1, "y": 1}))) == 5 * 2
    with pytest.raises(SpaceError, match="not a parameter"):
        list(space.grid({"z": 5}))
    assert [c["n"] for c in Space({"n": Int(1, 3, log=True)}).grid(50)] == [1, 2, 3]


def test_defaults_and_completion() -> None:
    assert MODEL.default is None
    whole = Space(
        {
            "a": Float(0, 1, default=0.5),
            "b": Bool(default=True),
            "c": Int(1, 3, when="not b"),
            "k": Const(1),
            "s": Subset(["p"], default=[]),
        }
    )
    assert whole.default == {"a": 0.5, "b": True, "k": 1, "s": []}
    assert whole.complete({"a": 0.1}) == {"a": 0.1, "b": True, "k": 1, "s": []}
    with pytest.raises(SpaceError, match="c has neither a value nor a default"):
        whole.complete({"b": False})
    space = Space({"a": Float(0, 1), "b": Float(0, 1), "c": Bool(), "d": Float(0, 1, when="c")}, require=["a + b <= 1"])
    for i in range(50):
        config = space.complete({"a": 0.9, "c": False, "d": 0.3}, RNG(i))
        assert space.check(config) == config
        assert config["a"] == 0.9
        assert "d" not in config
    with pytest.raises(SpaceError, match=r"with a=1.0 fixed, none of"):
        Space({"a": Float(0, 1), "b": Float(0.5, 1)}, require=["a + b <= 1"]).complete({"a": 1.0}, RNG(0))
    with pytest.raises(SpaceError, match="outside"):
        space.complete({"a": 3.0}, RNG(0))


def test_neighbours_differ_in_one_parameter() -> None:
    space = Space(
        {"x": Float(0, 1), "n": Int(1, 9), "c": Choice(["a", "b", "z"]), "d": Int(1, 3, when="c == 'b'")},
        forbid=["c == 'z'"],
    )
    here = {"x": 0.5, "n": 4, "c": "a"}
    found = space.neighbours(here, RNG(0))
    assert {"x": 0.5, "n": 3, "c": "a"} in found
    assert {"x": 0.5, "n": 5, "c": "a"} in found
    for other in found:
        assert space.check(other) == other
        assert sum(other.get(k) != here.get(k) for k in "xnc") == 1
    assert sum(other["c"] == "b" for other in found) == 1
    assert len([o for o in found if o["x"] != 0.5]) == 4


def test_keys() -> None:
    space = Space({"x": Float(0, 2), "n": Int(1, 9), "k": Const(1), "y": Float(0, 1)})
    assert space.key({"n": 3.0, "x": 1, "y": -0.0}) == space.key({"x": 1.0, "n": 3, "y": 0.0, "k": 1})
    assert space.key({"x": 1.0, "n": 3, "y": 0.1}) != space.key({"x": 1.0, "n": 3, "y": 0.1 + 1e-16 * 2})


def test_what_users_may_write() -> None:
    space = Space(
        {
            "a": "1..8",
            "b": "1e-5..0.1 log",
            "c": "16..512:log2",
            "d": ["x", "y"],
            "e": 3,
            "f": "plain",
            "g": "1.0..8",
            "h": "0.0..1.0 step=0.25 default=0.5",
            "i": "-5..-1",
            "j": True,
        }
    )
    assert dict(space.domains) == {
        "a": Int(1, 8),
        "b": Float(1e-5, 0.1, log=True),
        "c": Int(16, 512, log=2),
        "d": Choice(["x", "y"]),
        "e": Const(3),
        "f": Const("plain"),
        "g": Float(1, 8),
        "h": Float(0, 1, step=0.25, default=0.5),
        "i": Int(-5, -1),
        "j": Const(True),
    }
    table = Space(
        {
            "lr": {"type": "float", "low": 1e-5, "high": 1e-1, "log": True},
            "restart": {"type": "int", "low": 10, "high": 1000, "log": True, "when": "mode == 'safe'"},
            "mode": ["fast", "safe"],
            "model": {"type": "choice", "default": "svm", "branches": {"svm": {"C": "1e-3..1e3 log"}, "none": {}}},
            "warmup": {"type": "float", "low": 0.0, "high": "0.5 * lr"},
            "features": {"type": "subset", "of": ["a", "b", "c", "d"], "min": 1, "max": 3},
        }
    )
    assert table.domains["model.svm.C"] == Float(1e-3, 1e3, log=True, when="model == 'svm'")
    assert table.domains["features"] == Subset(["a", "b", "c", "d"], min=1, max=3)
    assert table.branch({"model": "none"}, "model") == ("none", {})


def test_spaces_from_classes() -> None:
    @dataclasses.dataclass
    class Optimizer:
        name: Literal["sgd", "adam"] = "adam"
        momentum: float = Float(0, 0.99, when="name == 'sgd'")  # type: ignore[assignment]

    @dataclasses.dataclass
    class Config:
        lr: Annotated[float, Float(1e-5, 0.1, log=True)]
        width: Annotated[int, Int(8, 64)] = 16
        epochs: int = 10
        amp: bool = Bool()  # type: ignore[assignment]
        optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)

    Config.__annotations__ = dict(
        lr=Annotated[float, Float(1e-5, 0.1, log=True)],
        width=Annotated[int, Int(8, 64)],
        epochs=int,
        amp=bool,
        optimizer=Optimizer,
    )
    Optimizer.__annotations__ = dict(name=Literal["sgd", "adam"], momentum=float)
    space = Space.of(Config)
    assert space.names == ("lr", "width", "epochs", "amp", "optimizer.name", "optimizer.momentum")
    assert space.domains["width"] == Int(8, 64, default=16)
    assert space.domains["optimizer.name"] == Choice(["sgd", "adam"], default="adam")
    assert space.domains["optimizer.momentum"].when.text == "optimizer.name == 'sgd'"

    class Model(pydantic.BaseModel):
        lr: Annotated[float, Float(1e-5, 0.1, log=True)] = 1e-3
        depth: int = Int(1, 9)  # type: ignore[assignment]
        tag: str = "x"

    Model.model_rebuild(_types_namespace=globals() | locals())
    assert dict(Space.of(Model).domains) == {
        "lr": Float(1e-5, 0.1, log=True, default=1e-3),
        "depth": Int(1, 9),
        "tag": Const("x"),
    }
    with pytest.raises(SpaceError, match="give a dataclass"):
        Space.of(3)


def test_structured_values() -> None:
    of = ["a", "b", "c", "d"]
    space = Space(
        {
            "s": Subset(of, min=1, max=2),
            "p": Permutation(of),
            "m": Simplex(["u", "v", "w"]),
            "x": Float(0, 1, when="'a' in s"),
        }
    )
    assert space.traits == {"conditional", "subset", "permutation", "simplex"}
    configs = space.decode(space.sample(RNG(0), 6000))
    subsets = [tuple(c["s"]) for c in configs]
    counts = [subsets.count(s) for s in set(subsets)]
    assert len(counts) == 10
    assert max(abs(c - 600) for c in counts) < 130
    orders = [tuple(c["p"]) for c in configs]
    assert len(set(orders)) == 24
    assert max(abs(orders.count(o) - 250) for o in set(orders)) < 90
    shares = np.array([list(c["m"].values()) for c in configs])
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares.mean(axis=0), 1 / 3, atol=0.02)
    assert np.mean(shares[:, 0] < 0.25) == pytest.approx(
        1 - 0.75**2, abs=0.03
    )  # uniform: the first share is Beta(1, 2)
    assert all(("x" in c) == ("a" in c["s"]) for c in configs)
    back = space.decode(space.encode(configs[:200]))
    assert [space.key(c) for c in back] == [space.key(c) for c in configs[:200]]
    repaired = Space({"s": Subset(of, min=1, max=2)}).decode(np.array([[0.9, 0.6, 0.8, 0.1], [0.1, 0.2, 0.4, 0.3]]))
    assert [c["s"] for c in repaired] == [["a", "c"], ["c"]]
    for wrong, match in [
        (["a", "b", "c"], "1 to 2 are allowed"),
        (["z"], "'z' is not one of"),
        ("a", "not a list"),
        (["a", "a"], "twice"),
    ]:
        with pytest.raises(SpaceError, match=match):
            space.check({**configs[0], "s": wrong})
    with pytest.raises(SpaceError, match=r"sum to 0.9, not to 1"):
        space.check({**configs[0], "m": {"u": 0.5, "v": 0.4}})
    near = space.neighbours(configs[0], RNG(0))
    assert all(space.check(c) == c for c in near)
    assert len(near) > 8


def test_an_empty_space() -> None:
    space = Space({})
    assert space.d == 0
    assert space.decode(space.sample(RNG(0), 3)) == [{}, {}, {}]
    assert space.encode([{}, {}]).shape == (2, 0)
    assert space.size == 1
    assert space.default == {}
    assert repr(space) == "Space({})"


def test_sampling_is_repeatable_and_reads_the_generator_simply() -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 2)})
    np.testing.assert_array_equal(space.sample(RNG(3), 4), RNG(3).random((4, 2)))
    assert space.sample_config(RNG(3)) == space.sample_config(RNG(3))


def test_a_wrong_shape_is_named() -> None:
    with pytest.raises(SpaceError, match="it has 1 columns"):
        Space({"x": Float(0, 1)}).decode(np.zeros((2, 3)))


def test_ordered_choices_have_cells() -> None:
    space = Space({"q": Choice(["low", "mid", "high"], ordered=True)})
    assert space.columns == (Column("q", "ordinal", 3),)
    np.testing.assert_allclose(space.column_cells(0), [0, 1 / 3, 2 / 3, 1])  # type: ignore[arg-type]
    assert [float(x[0]) for x in space.cells(0, np.array([0.5]))] == pytest.approx([1 / 3, 2 / 3])


def test_replacing_a_choice_with_branches() -> None:
    smaller = MODEL.replace(model=Choice(["svm", "none"]))
    assert [n for n in smaller.names if n.startswith("model")] == ["model", "model.svm.C"]
    assert smaller.nested({"model": "svm", "model.svm.C": 2}) == {"model": {"svm": {"C": 2}}}
    other = MODEL.replace(model=Choice({"svm": Space({"C": Int(1, 9)}), "mlp": Space({"w": Int(1, 2)})}))
    assert [n for n in other.names if n.startswith("model")] == ["model", "model.svm.C", "model.mlp.w"]
    assert MODEL.replace(**{"model.svm.C": Int(1, 5, when="model == 'svm'")}).domains["model.svm.C"].high == 5


def test_a_space_never_changes() -> None:
    with pytest.raises(AttributeError, match="never changes"):
        MODEL.names = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        MODEL.domains["lr"] = Bool()  # type: ignore[index]


def test_bounds_on_what_is_inactive_or_infinite_are_infeasible_both_ways() -> None:
    space = Space(
        {
            "on": Bool(),
            "a": Float(0.5, 1, when="on"),
            "b": Float("a - 0.75", "1 / a", log=True),
            "n": Int("a", "a + 0.4"),
        }
    )
    U = RNG(0).random((200, space.d))
    sound = space.feasible(space.from_unit(U))
    assert 0 < sound.sum() < 200
    for config in space.decode(space.sample(RNG(1), 50)):
        assert config["on"]
        assert config["a"] > 0.75
        assert config["n"] == 1
        assert space.check(config) == config
    assert space.sample_config(RNG(2))["on"]


def test_keys_of_numpy_values_and_weights_of_numbers() -> None:
    space = Space({"x": Float(0, 1), "c": Choice([1, 2, 3], prior={1: 5, 3: 1.7})})
    assert space.key({"x": np.float32(0.5), "c": np.int64(2)}) == space.key({"x": 0.5, "c": 2})
    assert Space.from_json(space.to_json()) == space


def test_unknown_names_are_never_dropped_silently() -> None:
    with pytest.raises(SpaceError, match="Did you mean 'model'"):
        MODEL.complete({"modell": "svm"}, RNG(0))


def test_spaces_are_hashable_whatever_they_hold() -> None:
    space = Space(
        {
            "x": Choice([[1], [2]], default=[1]),
            "s": Subset(["a"], default=["a"]),
            "f": Float(0, 1, prior={"beta": [1, 2]}),
        }
    )
    assert hash(space) == hash(Space.from_json(space.to_json()))
    assert space.default is None
    assert space.drop("f").default == {"x": [1], "s": ["a"]}


def test_a_derived_value_that_can_not_be_computed_is_left_out() -> None:
    space = Space({"a": Float(0, 2), "b": Derived("sqrt(a - 1)")})
    assert space.decode(np.array([[0.25], [1.0]])) == [{"a": 0.5}, {"a": 2.0, "b": 1.0}]
    assert space.check({"a": 0.5}) == {"a": 0.5}

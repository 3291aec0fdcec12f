"""Bad spaces and bad configurations: each gets an error that names the thing and the mend."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

import numpy as np
import pytest

from trimtab.errors import SpaceError
from trimtab.space import Bool, Choice, Const, Derived, Expression, Float, Int, Permutation, Simplex, Space, Subset


def refused(match: str, make: Any, *args: Any, **kwargs: Any) -> None:
    with pytest.raises(SpaceError) as caught:
        make(*args, **kwargs)
    assert match in str(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("match", "make"),
    [
        ("low (0.1) is above high (1e-05). Swap them: Float(1e-05, 0.1).", lambda: Float(1e-1, 1e-5)),
        ("low (8) is above high (1). Swap them: Int(1, 8).", lambda: Int(8, 1)),
        ("write Const(3)", lambda: Int(3, 3)),
        ("write Const(0.5)", lambda: Float(0.5, 0.5)),
        ("a log scale needs low above 0 (0.0 is not). Try low=1e-6.", lambda: Float(0, 1, log=True)),
        ("a log scale needs low above 0 (-3 is not). Try low=1.", lambda: Int(-3, 9, log=True)),
        (
            "does not divide 1.0 (high - low). The nearest that fits: high=0.9 or high=1.2.",
            lambda: Float(0, 1, step=0.3),
        ),
        ("The nearest that fits: high=9 or high=11.", lambda: Int(1, 10, step=2)),
        ("The nearest that fits: high=0.3.", lambda: Float(0, 0.1, step=0.3)),
        ("step=0.0 must be above 0", lambda: Float(0, 1, step=0)),
        ("step=-1 must be above 0", lambda: Int(0, 9, step=-1)),
        ("can't be combined", lambda: Float(0.1, 1, log=True, step=0.1)),
        ("can't be combined", lambda: Int(1, 9, log=True, step=2)),
        ("nothing to choose from", lambda: Choice([])),
        ("nothing to choose from", lambda: Choice({})),
        ("is twice", lambda: Choice(["a", "b", "a"])),
        ("give a list of values", lambda: Choice("abc")),
        ("Name it: Choice({'int': …})", lambda: Choice([int, float])),
        ("must be text to name an object", lambda: Choice({1: int})),
        ("is not among", lambda: Choice(["a"], default="b")),
        ("must give 2 weights", lambda: Choice(["a", "b"], prior=[1])),
        ("prior names 'aa'", lambda: Choice(["a", "b"], prior={"aa": 1})),
        ("must be finite", lambda: Float(0, math.inf)),
        ("must be finite", lambda: Float(math.nan, 1)),
        ("Write the number: high=3", lambda: Float(0, "3")),
        ("is not a number", lambda: Float(None, 3)),
        ("is not a number", lambda: Int(True, 3)),
        ("is no whole number. Use Float", lambda: Int(0.5, 3)),
        ("beyond 64-bit", lambda: Int(0, 2**63)),
        ("is outside the range", lambda: Float(0, 1, default=2)),
        ("no power of 2 lies in this range", lambda: Int(5, 7, log=2)),
        ("log=1", lambda: Int(1, 7, log=1)),
        ("is for Int", lambda: Float(1, 7, log=2)),
        ('Write {"normal": [mean, sd]}', lambda: Float(1, 7, prior={"gauss": [1, 2]})),
        ("wider than floating point", lambda: Float(-1.7e308, 1.7e308)),
        ("can't be stored as JSON", lambda: Const({1, 2})),
        ("default=True or default=False", lambda: Bool(default=1)),
        ("from 0 to 1", lambda: Bool(prior=2)),
        ("must lie in order", lambda: Subset(["a", "b"], min=3)),
        ("there twice", lambda: Permutation(["a", "a"])),
        ("it needs 2 to", lambda: Simplex(["a"])),
        ("is empty", lambda: Float(0, 1, when={})),
    ],
)
def test_bad_domains(match: str, make: Any) -> None:
    refused(match, make)


@pytest.mark.parametrize(
    ("match", "spec", "rules"),
    [
        ("a.b: there are two parameters", {"a": {"b": 1}, "a.b": 2}, ()),
        ("é: there are two parameters", {"é": 1, unicodedata.normalize("NFD", "é"): 2}, ()),
        ('m: when="optimzer == \'sgd\'" names "optimzer", which is not in this space. Did you mean \'optimizer\'?',
         {"optimizer": Choice(["sgd", "adam"]), "m": Float(0, 1, when="optimzer == 'sgd'")}, ()),
        ("optimizer is never 'sdg'. Did you mean 'sgd'?",
         {"optimizer": Choice(["sgd", "adam"]), "m": Float(0, 1, when="optimizer == 'sdg'")}, ()),
        ("depend on each other in a circle: a → b → a", {"a": Bool(when="b"), "b": Bool(when="a")}, ()),
        ("in a circle: a → a", {"a": Float(0, "a")}, ()),
        ('require "a + c <= 1" names "c"', {"a": Float(0, 1)}, ["a + c <= 1"]),
        ("names no parameter", {"a": Float(0, 1)}, ["1 < 2"]),
        ("is a number, neither true nor false", {"a": Float(0, 1)}, ["a + 1"]),
        ("'x' is not a number", {"a": Choice(["x", "y"])}, ["a + 1 < 3"]),
        ("needs at least one visible", {" ": 1}, ()),
        ("needs at least one visible", {"": 1}, ()),
        ("10000 characters. At most 200", {"x" * 10_000: 1}, ()),
        ("names are text", {3: 1}, ()),
        ("lr: Float without brackets. Write Float(…)", {"lr": Float}, ()),
        ("is no domain", {"lr": object()}, ()),
        ("looks like a range", {"lr": "1e-5...1e-1"}, ()),
        ("lr: Float(1.0, 0.1): low", {"lr": "1.0..0.1"}, ()),
        ("can't read 'lag'", {"lr": "1.0..2.0 lag"}, ()),
        ("can't read", {"lr": "1..2..3"}, ()),
        ("type='flaot' is no kind of parameter. Did you mean 'float'?", {"lr": {"type": "flaot"}}, ()),
        ("a float has no 'hihg'. Did you mean 'high'?", {"lr": {"type": "float", "low": 0, "hihg": 1}}, ()),
        ("a float needs high", {"lr": {"type": "float", "low": 0}}, ()),
        ("x: default=0.25: 0.25 is not a step of 0.1. The nearest is", {"x": Float(0, 1, step=0.1, default=0.25)}, ()),
    ],
)  # fmt: skip
def test_bad_spaces(match: str, spec: Any, rules: Any) -> None:
    refused(match, Space, spec, rules)


def test_a_range_that_rounds_to_one_value_warns() -> None:
    with pytest.warns(UserWarning, match="4 is the only value"):
        space = Space({"x": Int(3, 5, log=2)})
    assert space.decode(np.array([[0.0], [0.99]])) == [{"x": 4}, {"x": 4}]
    with pytest.warns(UserWarning, match="so narrow"):
        narrow = Space({"x": Float(1e10, math.nextafter(1e10, 2e10), log=True)})
    assert narrow.decode(np.array([[0.5]]))[0]["x"] >= 1e10


def test_numbers_that_look_alike_are_different_choices() -> None:
    space = Space({"x": Choice([1, True, 1.0, "1", None, [1], [True]])})
    configs = space.decode(np.arange(7.0)[:, None])
    assert [type(c["x"]) for c in configs] == [int, bool, float, str, type(None), list, list]
    assert space.encode(configs)[:, 0].tolist() == list(range(7))
    assert len({space.key(c) for c in configs}) == 7


def test_a_rule_almost_nothing_satisfies_is_an_error_with_the_rate() -> None:
    space = Space({"a": Float(0, 1), "b": Float(0, 1)}, require=["a + b <= 1", "a > 0.99999", "b >= 0", "b > 0.001"])
    with pytest.raises(SpaceError) as caught:
        space.sample(np.random.default_rng(0), 3)
    text = str(caught.value)
    assert text.startswith('require "')
    assert "of 100,000 random configurations satisfy all 4 rules (" in text
    assert "enough to cause this: " in text
    assert "Loosen one of them, or give bounds that depend on others" in text
    with pytest.raises(SpaceError, match="of 100,000 random"):
        space.sample_config(np.random.default_rng(0))


@pytest.mark.parametrize(
    "name", ["__class__", "a/b", "x;rm", "naïve", "שלום", "🙂", "a b", "lambda", "e\u0301", "`", "%s{0}"]
)
def test_odd_names_are_data_only(name: str) -> None:
    space = Space({name: Int(1, 3), "y": Float(0, 1, when={name: 2})})
    stored = space.names[0]
    assert stored == unicodedata.normalize("NFC", name)
    for config in space.decode(space.sample(np.random.default_rng(0), 20)):
        assert ("y" in config) == (config[stored] == 2)
    assert Space.from_json(space.to_json()) == space


def test_html_and_text_escape_names() -> None:
    space = Space({"<img onerror=x>": Choice(["</script>"])})
    assert "<img" not in space._repr_html_()
    assert "</script>" not in space._repr_html_()
    assert "Choice(['</script>'])" in repr(space)


SPACE = Space(
    {
        "lr": Float(1e-5, 0.1, log=True),
        "layers": Int(1, 8),
        "opt": Choice(["sgd", "adam"]),
        "momentum": Float(0, 0.99, when="opt == 'sgd'"),
        "batch": Int(16, 64, log=2),
        "drop": Float(0, 0.6, step=0.05),
        "amp": Bool(),
        "epochs": Const(90),
    },
    require=["lr * layers < 0.5"],
)
GOOD = {"lr": 0.01, "layers": 3, "opt": "adam", "batch": 32, "drop": 0.15, "amp": True}


@pytest.mark.parametrize(
    ("match", "change"),
    [
        ("lr: 3.0 is outside 1e-05 to 0.1.", {"lr": 3.0}),
        ("lr: nan is not a finite number", {"lr": math.nan}),
        ("lr: 'a' is not a number", {"lr": "a"}),
        ("lr: True is not a number", {"lr": True}),
        ("layers: 2.5 is no whole number", {"layers": 2.5}),
        ("opt: 'sdg' is not one of 'sgd', 'adam'. Did you mean 'sgd'?", {"opt": "sdg"}),
        ("'layer' is not a parameter of this space. Did you mean 'layers'?", {"layer": 2}),
        ("momentum=0.5 is given, but inactive: it needs opt == 'sgd'; this trial has 'adam'", {"momentum": 0.5}),
        ("momentum is missing", {"opt": "sgd"}),
        ("batch: 33 is not a power of 2. The nearest is 32.", {"batch": 33}),
        ("drop: 0.17 is not a step of 0.05. The nearest is 0.15.", {"drop": 0.17}),
        ("amp: 1 is not one of False, True", {"amp": 1}),
        ("epochs: 80 differs from Const(90)", {"epochs": 80}),
        ('breaks require "lr * layers < 0.5"', {"lr": 0.1, "layers": 8}),
    ],
)
def test_bad_configs(match: str, change: dict[str, Any]) -> None:
    refused(match, SPACE.check, {**GOOD, **change})
    assert not SPACE.inside({**GOOD, **change})


def test_a_good_config_is_brought_into_normal_form() -> None:
    given = {"amp": np.bool_(True), "layers": np.float64(3.0), "batch": np.int32(32), **{"drop": 0.15000000000000002}}
    checked = SPACE.check({**GOOD, **given, "epochs": 90.0})
    assert checked == {**GOOD, "epochs": 90}
    assert list(checked) == ["lr", "layers", "opt", "batch", "drop", "amp", "epochs"]
    assert [type(v) for v in checked.values()] == [float, int, str, int, float, bool, int]


def test_partial_configs_may_leave_things_out() -> None:
    assert SPACE.check({"layers": 2.0}, partial=True) == {"layers": 2, "epochs": 90}
    assert SPACE.check({"momentum": 0.5}, partial=True)["momentum"] == 0.5  # its parent is still open
    refused("outside", SPACE.check, {"layers": 20}, partial=True)
    refused("not a parameter", SPACE.check, {"layer": 20}, partial=True)


def test_changes_of_a_space() -> None:
    new = SPACE.replace(
        lr=Float(1e-6, 1.0, log=True), opt=Choice(["sgd", "adam", "lion"]), extra=Bool(default=True)
    ).drop("amp")
    lines = SPACE.diff(new)
    assert lines[0] == "lr: Float(1e-05, 0.1, log=True) → Float(1e-06, 1.0, log=True)"
    assert "amp: retired (was Bool())" in lines
    assert "extra: new, Bool(default=True) (old trials count as True)" in lines
    assert len(lines) == 4
    assert SPACE.diff(SPACE) == []
    refused(
        "lr was a Float and is now an Int: the kind of a parameter can't change",
        SPACE.diff,
        SPACE.replace(lr=Int(1, 3)),
    )
    refused("no place on a log scale", SPACE.diff, SPACE.replace(drop=Float(0.1, 1, log=True)))
    assert SPACE.diff(SPACE.replace(lr=Float(1e-5, 0.1)))  # log to linear: every old value has a place
    refused("opt can't be dropped: momentum depends on it", SPACE.drop, "opt")
    refused("Did you mean 'layers'", SPACE.drop, "layer")
    refused("format 99", Space.from_json, {"version": 99, "parameters": []})


def test_encode_never_raises_on_old_trials() -> None:
    space = Space(
        {
            "x": Float(0, 1),
            "n": Int(1, 4),
            "c": Choice(["a", "b"]),
            "d": Float(0, 1, default=0.25),
            "s": Subset(["p", "q"]),
        }
    )
    old: list[dict[str, Any]] = [
        {"x": 2.0, "n": 9, "c": "retired", "d": 0.5, "s": ["z"]},
        {"x": "text", "n": None, "c": ["list"], "s": 3},
        {"x": 10**400, "n": [1], "c": {"k": 1}, "gone": 3},
        {},
    ]
    X = space.encode(old)
    assert X[0, :2].tolist() == [2.0, (9 - 1 + 0.5) / 4]  # beyond the range, not cut off
    assert np.isnan(X[:, 2]).all()
    assert X[:, 3].tolist() == [0.5, 0.25, 0.25, 0.25]  # unknown: the default
    assert np.isnan(X[1:, :2]).all()
    assert np.isnan(X[:, 4:]).all()


def test_text_from_a_file_can_not_run_anything() -> None:
    for text in [
        "__import__('os')",
        "a.__class__()",
        "a[0]",
        "lambda: 1",
        "(1).real",
        "f'{a}'",
        "a if a else b",
        "a; b",
        "9**9**9",
    ]:
        try:
            expression = Expression(text)
        except SpaceError:
            continue
        expression.evaluate({"a": 1})
    assert Expression("9**9**9").evaluate({}) == math.inf
    refused("nested more than", Expression, "(" * 100 + "a" + ")" * 100)
    refused("more than 200", Expression, "+".join("a" * 1000))
    refused("at most 4000", Expression, "a" * 5000)
    refused("not calculated with", Expression("'a' * 9").evaluate, {})


def test_derived_must_agree_when_given() -> None:
    space = Space({"a": Int(1, 4), "b": Derived("a * 2")})
    assert space.check({"a": 2}) == {"a": 2, "b": 4}
    assert space.check({"a": 2, "b": 4.0}) == {"a": 2, "b": 4}
    refused("b: 5 is not what a * 2 gives, 4", space.check, {"a": 2, "b": 5})


def test_a_pair_of_numbers_is_ambiguous() -> None:
    refused('"0.0..1.0" or Float(0.0, 1.0); a choice: [0.0, 1.0]', Space, {"x": (0.0, 1.0)})
    refused("Int(1, 8)", Space, {"x": (1, 8)})
    assert Space({"x": ("a", "b"), "y": [0, 1]}).names == ("x", "y")

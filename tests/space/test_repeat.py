"""Repeat: a number, and so many groups of the same parameters."""

from __future__ import annotations

import numpy as np
import pytest

import trimtab as tt
from trimtab.errors import SpaceError
from trimtab.search.ga._blocks import blocks_of
from trimtab.space import Bool, Choice, Const, Float, Int, Repeat, Space

LAYER = {"units": "8..256 log2", "drop": Float(0, 0.5, when="units > 64"), "norm": Choice(["batch", "layer"])}
NET = Space({"lr": "1e-5..0.1 log", "layers": Repeat(LAYER, min=1, max=3)})


def test_it_is_a_number_and_plain_parameters() -> None:
    assert NET.names == (
        "lr", "layers",
        "layers.0.units", "layers.0.drop", "layers.0.norm",
        "layers.1.units", "layers.1.drop", "layers.1.norm",
        "layers.2.units", "layers.2.drop", "layers.2.norm",
    )  # fmt: skip
    assert NET["layers"] == Int(1, 3)
    assert NET["layers.0.units"].when is None  # there is always one
    assert str(NET["layers.1.units"].when) == "layers > 1"
    assert NET["layers.2.drop"].when.canonical == "layers > 2 and layers.2.units > 64"
    assert Space.from_json(NET.to_json()) == NET


def test_the_genetic_algorithm_of_variable_length_knows_the_blocks() -> None:
    blocks = blocks_of(NET)
    assert blocks is not None
    assert (blocks.base, blocks.most, blocks.count) == (1, 3, 1)
    assert [NET.columns[j].name for j in blocks.columns[1]] == ["layers.1.units", "layers.1.drop", "layers.1.norm"]


def test_so_many_blocks_are_active_as_the_number_says() -> None:
    rng, counts = np.random.default_rng(0), set()
    for _ in range(50):
        config = NET.sample_config(rng)
        there = {int(name.split(".")[1]) for name in config if name.startswith("layers.")}
        assert there == set(range(config["layers"]))
        found = NET.blocks(config, "layers")
        assert [block["units"] for block in found] == [config[f"layers.{i}.units"] for i in range(config["layers"])]
        assert NET.nested(config)["layers"] == found
        assert NET.decode(NET.encode([config]))[0].keys() == config.keys()
        counts.add(config["layers"])
    assert counts == {1, 2, 3}


def test_it_may_be_absent_conditional_and_within_another() -> None:
    stage = {"blocks": Repeat({"width": "1..9"}, min=0, max=2), "pool": Bool()}
    space = Space({"kind": ["mlp", "none"], "stages": Repeat(stage, max=2, when="kind == 'mlp'")})
    assert space["stages.0.pool"].when.canonical == "stages > 0"  # nothing of it where kind is none
    config = {
        "kind": "mlp", "stages": 2, "stages.0.blocks": 0, "stages.0.pool": True, "stages.1.blocks": 1,
        "stages.1.blocks.0.width": 5, "stages.1.pool": False,
    }  # fmt: skip
    assert space.check(config) == config
    assert space.nested(config) == {
        "kind": "mlp", "stages": [{"blocks": [], "pool": True}, {"blocks": [{"width": 5}], "pool": False}],
    }  # fmt: skip
    assert space.check({"kind": "none"}) == {"kind": "none"}
    with pytest.raises(SpaceError, match="stages is inactive: it needs kind == 'mlp'"):
        space.blocks({"kind": "none"}, "stages")


def test_a_fixed_number_needs_no_search() -> None:
    space = Space({"layers": Repeat({"units": "1..9"}, min=2, max=2)})
    assert space["layers"] == Const(2)
    assert space.d == 2
    assert space.blocks({"layers": 2, "layers.0.units": 3, "layers.1.units": 4}, "layers") == [
        {"units": 3},
        {"units": 4},
    ]


def test_the_block_may_be_a_space_with_rules_and_the_number_have_a_default() -> None:
    block = Space({"a": Float(0, 1, default=0.2), "b": Float(0, 1, default=0.3)}, require="a + b <= 1")
    space = Space({"steps": Repeat(block, max=2, default=2)})
    assert space.default == {"steps": 2, "steps.0.a": 0.2, "steps.0.b": 0.3, "steps.1.a": 0.2, "steps.1.b": 0.3}
    rows = space.decode(space.sample(np.random.default_rng(0), 40))
    assert all(block["a"] + block["b"] <= 1 for row in rows for block in space.blocks(row, "steps"))


def test_another_repeat_takes_its_place_and_a_dropped_one_goes_whole() -> None:
    wider = NET.replace(layers=Repeat(LAYER, max=5))
    assert wider["layers"] == Int(1, 5)
    assert "layers.4.units" in wider
    assert NET.replace(layers=Repeat({"width": "1..9"}, max=1)).names == ("lr", "layers", "layers.0.width")
    assert NET.drop("layers").names == ("lr",)


def test_it_can_be_written_as_a_table() -> None:
    table = {"type": "repeat", "max": 3, "block": {"units": "8..256 log2", "norm": ["batch", "layer"]}}
    space = Space({"layers": table})
    assert space == Space({"layers": Repeat({"units": "8..256 log2", "norm": ["batch", "layer"]}, max=3)})
    with pytest.raises(SpaceError, match="a repeat needs block and max"):
        Space({"layers": {"type": "repeat"}})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Repeat({"a": "1..3"}, max=0), "max above 0"),
        (lambda: Repeat({"a": "1..3"}, min=3, max=2), "must lie in order"),
        (lambda: Repeat({"a": "1..3"}, max=2.5), "max=2.5 is not a whole number"),  # type: ignore[arg-type]
        (lambda: Space({"n": Repeat({"a": Float(0, 1, when="b > 1")}, max=2)}), 'n: a: when="b > 1" names "b"'),
        (lambda: Space({"n": Repeat(3, max=2)}), "n: Space"),
        (lambda: Space({"n": Repeat({"a": "1..3"}, max=2, default=4)}), "n: Int"),
        (lambda: NET.blocks({"lr": 0.1}, "lr"), "lr is no Repeat"),
        (lambda: NET.blocks({}, "layer"), "Did you mean"),
    ],
)
def test_what_is_wrong_is_named(make, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SpaceError, match=says):
        make()


@pytest.mark.parametrize("searcher", ["vlga", "tpe", "gp", "cmaes"])
def test_a_study_searches_them(searcher: str) -> None:
    """As many blocks as there are letters, each the right one: 3 of 1 to 4, of 5 letters each."""
    space = Space({"word": Repeat({"letter": Choice(list("abcde"))}, max=4)})

    def objective(trial: tt.Trial) -> float:
        letters = [block["letter"] for block in trial.blocks("word")]
        wrong = sum(a != b for a, b in zip(letters, "cab", strict=False))
        return float(abs(len(letters) - 3) + wrong / 3)

    study = tt.Study("word", space, minimize="off", searcher=searcher, seed=0)
    study.optimize(objective, trials=60, display=False)
    assert study.best.value < 0.5
    assert len(space.blocks(study.best.config, "word")) == 3

"""The contract's example, end to end."""

import numpy as np

from trimtab.space import Choice, Float, Int, Space


def test_the_contract_example_runs() -> None:
    space = Space(
        {
            "lr": Float(1e-5, 1e-1, log=True, default=1e-3),
            "layers": Int(1, 8),
            "optimizer": Choice(["sgd", "adam"]),
            "momentum": Float(0, 0.99, when="optimizer == 'sgd'"),
            "model": Choice({"svm": Space({"C": Float(1e-3, 1e3, log=True)}), "forest": Space({"depth": Int(2, 20)})}),
        },
        require=["lr * layers < 0.5"],
    )
    X = space.sample(np.random.default_rng(0), 200)
    configs = space.decode(X)
    np.testing.assert_allclose(space.encode(configs), space.encode(space.decode(space.encode(configs))))
    assert [space.check(c) for c in configs] == configs
    assert all(("momentum" in c) == (c["optimizer"] == "sgd") for c in configs)
    assert all(("model.svm.C" in c) == (c["model"] == "svm") for c in configs)
    assert Space.from_json(space.to_json()) == space

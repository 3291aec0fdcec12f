"""A training loop that can be paused anywhere: a small network, written out, reads handwritten digits.

Run it, press Ctrl-C whenever you like, and run it again: it goes on where it was.

    python examples/train.py

ASHA stops what is behind after 1, 3, 9 and 27 epochs: 60 configurations cost about as much as 6 full runs.
"""

import numpy as np
from sklearn.datasets import load_digits

import trimtab as tt

X, y = load_digits(return_X_y=True)
X = (X - X.mean()) / X.std()
order = np.random.default_rng(0).permutation(len(X))
TRAIN, VALID = order[:1200], order[1200:]

SPACE = tt.Space(
    {
        "lr": tt.Float(1e-4, 1.0, log=True, default=0.01),
        "width": tt.Int(4, 128, log=True, default=32),
        "batch": tt.Choice([16, 64, 256], ordered=True, default=64),
        "optimizer": tt.Choice(["sgd", "momentum"], default="sgd"),
        "momentum": tt.Float(0.5, 0.99, default=0.9, when="optimizer == 'momentum'"),
    }
)


def fresh(width, rng):
    """Weights, biases, and the velocity of each."""
    W = [rng.normal(0, 0.1, (64, width)), np.zeros(width), rng.normal(0, 0.1, (width, 10)), np.zeros(10)]
    return W, [np.zeros_like(w) for w in W]


def forward(W, x):
    hidden = np.maximum(x @ W[0] + W[1], 0)
    out = hidden @ W[2] + W[3]
    out = np.exp(out - out.max(axis=1, keepdims=True))
    return hidden, out / out.sum(axis=1, keepdims=True)


def train_epoch(W, V, trial, rng):
    momentum = trial.get("momentum", 0.0)  # 0 where it is inactive
    for rows in np.array_split(rng.permutation(TRAIN), len(TRAIN) // trial["batch"]):
        x, hidden, out = X[rows], *forward(W, X[rows])
        out[np.arange(len(rows)), y[rows]] -= 1
        out /= len(rows)
        back = (out @ W[2].T) * (hidden > 0)
        for w, v, g in zip(W, V, (x.T @ back, back.sum(0), hidden.T @ out, out.sum(0)), strict=True):
            v *= momentum
            v -= trial["lr"] * g
            w += v


def objective(trial):
    W, V = fresh(trial["width"], np.random.default_rng(trial.seed))
    if trial.checkpoint:  # a folder, or None: then begin
        saved = np.load(trial.checkpoint / "net.npz")
        W, V = [saved[f"w{i}"] for i in range(4)], [saved[f"v{i}"] for i in range(4)]
    for epoch in trial.steps():  # 1, 2, … max_budget; goes on after the checkpoint; ends on a stop, a pause, Ctrl-C
        train_epoch(W, V, trial, np.random.default_rng([trial.seed, epoch]))  # the same epoch, paused or not
        _, out = forward(W, X[VALID])
        with trial.save_checkpoint() as folder:  # save, then report: a pause decided by the report finds it
            np.savez(
                folder / "net.npz", **{f"w{i}": w for i, w in enumerate(W)}, **{f"v{i}": v for i, v in enumerate(V)}
            )
        trial.report(error=float((out.argmax(axis=1) != y[VALID]).mean()))


if __name__ == "__main__":
    study = tt.Study("net", SPACE, minimize="error", storage="net.db", scheduler="asha", max_budget=81, seed=0)
    study.optimize(objective, trials=60)
    print(f"error {study.best.value:.4f} with {dict(study.best.config)}; the default has {study.trial(0).value:.4f}")

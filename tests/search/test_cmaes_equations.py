"""The update equations of CMA-ES against a plain version, and what margin, labels and learning rates promise."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from trimtab.parts.normal import below
from trimtab.search.cmaes import _gaussian, _labels
from trimtab.search.cmaes._gaussian import Gaussian, rates
from trimtab.search.cmaes._labels import Labels
from trimtab.search.cmaes._margin import chance, with_margin
from trimtab.search.cmaes._noise import Trust, tempered


def grown(d: int, full: bool, updates: int = 6, seed: int = 0) -> Gaussian:
    """A distribution that has learned from a tilted bowl."""
    rng = np.random.default_rng(seed)
    tilt = np.diag(np.arange(1.0, d + 1)) + 0.3
    g = Gaussian.start(np.full(d, 0.5), 0.2, full)
    for _ in range(updates):
        V = g.at(rng.standard_normal((12, d)))
        g = _gaussian.updated(g, V[np.argsort([v @ tilt @ v for v in V])], np.zeros(12, bool))
    return g


def plainly(g: Gaussian, V: np.ndarray) -> dict[str, np.ndarray | float]:
    """One update as the tutorial writes it, one child at a time, with a matrix square root of its own."""
    n, d = V.shape
    raw = [math.log((n + 1) / 2) - math.log(i) for i in range(1, n + 1)]
    mu = n // 2
    mu_eff = sum(raw[:mu]) ** 2 / sum(w * w for w in raw[:mu])
    down = sum(raw[mu:]) ** 2 / sum(w * w for w in raw[mu:])
    c1 = 2 / ((d + 1.3) ** 2 + mu_eff)
    cmu = min(1 - c1, 2 * (mu_eff - 2 + 1 / mu_eff) / ((d + 2) ** 2 + mu_eff))
    room = min(1 + c1 / cmu, 1 + 2 * down / (mu_eff + 2), (1 - c1 - cmu) / (d * cmu))
    w = [x / sum(raw[:mu]) if x >= 0 else room * x / -sum(raw[mu:]) for x in raw]
    cs = (mu_eff + 2) / (d + mu_eff + 5)
    ds = 1 + 2 * max(0, math.sqrt((mu_eff - 1) / (d + 1)) - 1) + cs
    cc = (4 + mu_eff / d) / (d + 4 + 2 * mu_eff / d)
    chi = math.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d * d))
    values, vectors = np.linalg.eigh(g.C)
    inverse = vectors @ np.diag(values**-0.5) @ vectors.T
    y = [(v - g.mean) / g.sigma for v in V]
    step = sum(w[i] * y[i] for i in range(mu))
    ps = (1 - cs) * g.path_sigma + math.sqrt(cs * (2 - cs) * mu_eff) * inverse @ step
    sigma = g.sigma * math.exp(cs / ds * (np.linalg.norm(ps) / chi - 1))
    fair = math.sqrt(1 - (1 - cs) ** (2 * (g.updates + 1)))
    h = float(np.linalg.norm(ps) / fair < (1.4 + 2 / (d + 1)) * chi)
    pc = (1 - cc) * g.path_c + h * math.sqrt(cc * (2 - cc) * mu_eff) * step
    C = (1 + c1 * (1 - h) * cc * (2 - cc) - c1 - cmu * sum(w)) * g.C + c1 * np.outer(pc, pc)
    for i in range(n):
        weight = w[i] if w[i] >= 0 else w[i] * d / np.linalg.norm(inverse @ y[i]) ** 2
        C = C + cmu * weight * np.outer(y[i], y[i])
    return {"mean": g.mean + g.sigma * step, "sigma": sigma, "path_sigma": ps, "path_c": pc, "C": C}


@pytest.mark.parametrize(("d", "n"), [(1, 5), (4, 8), (7, 13)])
def test_an_update_is_that_of_the_tutorial(d: int, n: int) -> None:
    g = grown(d, full=True)
    V = g.at(np.random.default_rng(1).standard_normal((n, d)))
    after, wanted = _gaussian.updated(g, V, np.zeros(n, bool)), plainly(g, V)
    for name, value in wanted.items():
        np.testing.assert_allclose(getattr(after, name), value, rtol=1e-9, atol=1e-12, err_msg=name)


def test_without_covariances_an_update_is_the_same_with_faster_rates() -> None:
    narrow, wide = rates(12, 50, True), rates(12, 50, False)
    assert wide.c_mu == pytest.approx(narrow.c_mu * 52 / 3)
    g = grown(5, full=False)
    assert g.C.shape == (5,)
    assert g.C[4] < g.C[0]  # the steepest direction of the bowl


@pytest.mark.parametrize("n", [3, 4, 5, 9, 40])
def test_weights_add_up(n: int) -> None:
    r = rates(n, 6, True)
    assert r.positive.sum() == pytest.approx(1.0)
    assert (np.diff(r.weights) <= 0).all()
    assert r.c_one + r.c_mu <= 1.0
    assert np.isfinite(r.weights).all()


def test_strange_points_move_it_no_further_than_its_own_could() -> None:
    g = grown(3, full=True)
    own = g.at(np.random.default_rng(2).standard_normal((8, 3)))
    far = own.copy()
    far[0] = g.mean + 1e6
    told = np.arange(8) == 0
    after = _gaussian.updated(g, far, told)
    moved = np.linalg.norm(g.white(g.steps_to(after.mean[None])))
    assert moved < 2 * math.sqrt(3)
    assert after.sigma <= g.sigma * math.e
    assert _gaussian.updated(g, far, np.zeros(8, bool)).mean.max() > 1e4  # which is what the cut prevents


def test_inactive_coordinates_move_no_mean() -> None:
    g = grown(3, full=True)
    V = g.at(np.random.default_rng(2).standard_normal((8, 3)))
    free = np.zeros((8, 3), bool)
    free[:, 2] = True
    after = _gaussian.updated(g, V, np.zeros(8, bool), free)
    assert after.mean[2] == g.mean[2]
    assert after.mean[0] == _gaussian.updated(g, V, np.zeros(8, bool)).mean[0]


def test_margin_leaves_a_way_out_of_every_cell() -> None:
    alpha, edges = 0.1, (tuple((np.arange(12) / 11).tolist()), (0.0, 0.5, 1.0), None)
    for place in (0.02, 0.1, 0.499, 0.55, 0.93, 1.0):
        for sigma in (1e-6, 0.01, 0.3):
            g = replace(Gaussian.start(np.full(3, place), sigma, full=True))
            g = with_margin(g, edges, alpha)
            for j, cells in enumerate(edges[:2]):
                assert cells is not None
                m, s = float(g.mean[j]), float(g.spread[j])
                i = min(int(np.searchsorted(cells, place, "right")) - 1, len(cells) - 2)
                low, high = below((cells[i] - m) / s), below((m - cells[i + 1]) / s)
                if i == 0:
                    assert high >= alpha * 0.999
                elif i == len(cells) - 2:
                    assert low >= alpha * 0.999
                else:
                    assert min(low, high) >= alpha / 2 * 0.999
            assert g.mean[2] == place
            assert g.spread[2] == pytest.approx(sigma)


def test_margin_changes_nothing_where_there_is_a_way_out() -> None:
    g = Gaussian.start(np.array([0.52]), 0.2, full=True)
    after = with_margin(g, (tuple((np.arange(6) / 5).tolist()),), chance(1))
    assert after.mean[0] == 0.52
    assert after.scale[0] == 1.0


def test_labels_keep_their_floor_and_learn_what_is_good() -> None:
    sizes = np.array([2, 5, 1])
    q = np.array([[0.5, 0.5, 0, 0, 0], [0.2] * 5, [1.0, 0, 0, 0, 0]])
    labels = Labels.start(q, sizes, chance(3))
    rng = np.random.default_rng(0)
    for _ in range(60):
        codes = labels.draw(rng.random((10, 3))).astype(float)
        cost = (codes[:, 0] != 1) + (codes[:, 1] != 3)
        labels = _labels.updated(labels, codes[np.argsort(cost, kind="stable")], rates(10, 3, True).positive)
        np.testing.assert_allclose(labels.q.sum(axis=1), 1.0)
        assert (labels.q[0, :2] >= labels.least[0] * 0.999).all()
        assert (labels.q[1] >= labels.least[1] * 0.999).all()
    assert labels.q[0, 1] > 0.85
    assert labels.q[1, 3] > 0.85
    assert labels.q[2, 0] == 1.0


def test_labels_that_were_inactive_teach_nothing() -> None:
    labels = Labels.start(np.full((1, 3), 1 / 3), np.array([3]), chance(1))
    assert _labels.updated(labels, np.full((6, 1), np.nan), rates(6, 1, True).positive) == labels


def test_labels_are_drawn_as_often_as_q_says() -> None:
    labels = Labels.start(np.array([[0.6, 0.3, 0.1]]), np.array([3]), 0.05)
    drawn = labels.draw(np.random.default_rng(0).random((20_000, 1)))[:, 0]
    np.testing.assert_allclose(np.bincount(drawn) / 20_000, labels.q[0], atol=0.01)


def test_rates_that_follow_the_signal_find_more_under_noise() -> None:
    def error(adapts: bool, seed: int) -> float:
        rng = np.random.default_rng(seed)
        g, trust = Gaussian.start(np.full(4, 0.8), 0.2, full=True), Trust()
        for _ in range(100):
            V = g.at(rng.standard_normal((8, 4)))
            cost = ((V - 0.3) ** 2).sum(axis=1) + rng.standard_normal(8)
            after = _gaussian.updated(g, V[np.argsort(cost)], np.zeros(8, bool))
            g, trust = tempered(g, after, trust) if adapts else (after, trust)
        assert 0 < trust.mean.rate <= 1
        return float(np.linalg.norm(g.mean - 0.3))

    adapted, plain = (np.median([error(adapts, s) for s in range(10)]) for adapts in (True, False))
    assert adapted < 0.6 * plain

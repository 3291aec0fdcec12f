"""The normal distribution without scipy, against scipy."""

from __future__ import annotations

from math import log

import numpy as np

from trimtab.parts.normal import below, cdf, log_mass, logs, quantile


def test_cdf_equals_scipy() -> None:
    from scipy.special import ndtr

    x = np.linspace(-37, 9, 999)
    np.testing.assert_allclose(cdf(x), ndtr(x), rtol=1e-12)
    assert cdf(x.reshape(3, 333)).shape == (3, 333)


def test_quantile_is_near_scipys() -> None:
    from scipy.special import ndtri

    p = np.concatenate([[1e-10, 1e-5, 0.02425], np.linspace(1e-3, 0.999, 777), [1 - 1e-9]])
    np.testing.assert_allclose(quantile(p), ndtri(p), rtol=1e-5)
    assert np.isfinite(quantile(np.array([0.0, 1e-300, 1.0]))).all()
    assert quantile(p.reshape(11, 71)).shape == (11, 71)


def test_one_by_one_equals_in_bulk() -> None:
    x = np.random.default_rng(0).normal(0, 5, 999)
    assert cdf(x).tolist() == [below(v) for v in x.tolist()]
    assert logs(x * x).tolist() == [log(v) for v in (x * x).tolist()]


def test_log_mass_is_accurate_in_both_tails() -> None:
    from scipy.special import log_ndtr

    edges = np.array([5.0, 6.0, 7.0, 20.0])
    left = log_mass(-edges[::-1])[::-1]
    np.testing.assert_allclose(log_mass(edges), left, rtol=1e-12)
    np.testing.assert_allclose(log_mass(edges)[0], np.log(np.exp(log_ndtr(-5.0)) - np.exp(log_ndtr(-6.0))), rtol=1e-12)
    assert np.isfinite(log_mass(np.array([50.0, 60.0]))).all()

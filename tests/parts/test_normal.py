"""The normal distribution without scipy, against scipy."""

from __future__ import annotations

import numpy as np

from trimtab.parts.normal import cdf, log_mass, quantile


def test_cdf_equals_scipy() -> None:
    from scipy.special import ndtr

    x = np.linspace(-37, 9, 999)
    np.testing.assert_allclose(cdf(x), ndtr(x), rtol=1e-12)
    assert cdf(x.reshape(3, 333)).shape == (3, 333)


def test_quantile_equals_scipy() -> None:
    from scipy.special import ndtri

    p = np.concatenate([[1e-300, 1e-30, 0.02425], np.linspace(1e-3, 0.999, 777), [1 - 1e-12]])
    np.testing.assert_allclose(quantile(p), ndtri(p), rtol=2e-9, atol=1e-9)
    assert np.isfinite(quantile(np.array([0.0, 1.0]))).all()


def test_log_mass_is_accurate_in_both_tails() -> None:
    from scipy.special import log_ndtr

    edges = np.array([5.0, 6.0, 7.0, 20.0])
    left = log_mass(-edges[::-1])[::-1]
    np.testing.assert_allclose(log_mass(edges), left, rtol=1e-12)
    np.testing.assert_allclose(log_mass(edges)[0], np.log(np.exp(log_ndtr(-5.0)) - np.exp(log_ndtr(-6.0))), rtol=1e-12)
    assert np.isfinite(log_mass(np.array([50.0, 60.0]))).all()

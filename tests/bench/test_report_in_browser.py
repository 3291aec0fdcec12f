"""The page in a browser without a network: it draws, fetches nothing, fits a telephone, and its buttons work."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trimtab.bench.report import report

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")]

_spec = importlib.util.spec_from_file_location("_made_up_results", Path(__file__).parent / "_made_up_results.py")
assert _spec is not None
assert _spec.loader is not None
made_up: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made_up)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    results = made_up.results(made_up.TASKS[:6], seeds=3)
    report(results, norms=made_up.norms(), task=made_up.task, against="optuna-tpe", html=path)
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=[(1280, "light"), (400, "dark")], ids=["desk", "telephone"])
def page(request: pytest.FixtureRequest, browser: Any, file: Path) -> Iterator[Any]:
    width, scheme = request.param
    context = browser.new_context(offline=True, viewport={"width": width, "height": 900}, color_scheme=scheme)
    opened = context.new_page()
    opened.asked, opened.wrong = [], []
    opened.on("request", lambda r: opened.asked.append(r.url))
    opened.on("pageerror", lambda e: opened.wrong.append(str(e)))
    opened.on("console", lambda m: opened.wrong.append(m.text) if m.type in ("error", "warning") else None)
    opened.goto(f"file://{file}")
    yield opened
    assert opened.wrong == []
    assert [url for url in opened.asked if not url.startswith(("file:", "blob:"))] == []
    context.close()


def wait(page: Any, so: str) -> None:
    """Until it is so. The page's own policy lets nobody poll from within it."""
    for _ in range(100):
        if page.evaluate(so):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never so: {so}")


def shown(page: Any, key: str) -> list[str]:
    """Whose lines a figure shows."""
    page.locator(f"#at-{key}").scroll_into_view_if_needed()
    page.wait_for_selector(f"#at-{key} svg")
    names: list[str] = page.evaluate(f"document.getElementById('at-{key}').data.map((t) => t.meta)")
    return sorted(set(names))


def test_every_figure_is_drawn_and_nothing_sticks_out(page: Any) -> None:
    height = page.evaluate("document.documentElement.scrollHeight")
    for y in range(0, height, 700):
        page.evaluate(f"scrollTo(0, {y})")
        page.wait_for_timeout(120)
    wait(page, "[...document.querySelectorAll('.figure')].every((d) => d.querySelector('svg'))")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_button_hides_its_optimizer_everywhere(page: Any) -> None:
    assert {"gp", "random"} <= set(shown(page, "blackbox-curves"))
    page.locator('.legend button[data-method="gp"]').click()
    assert "gp" not in shown(page, "blackbox-curves")
    assert "gp" not in shown(page, "blackbox-runtime")
    page.locator('.legend button:has-text("none")').click()
    assert shown(page, "blackbox-curves") == []
    page.locator('.legend button:has-text("all")').first.click()
    assert set(made_up.SPEED) <= set(shown(page, "blackbox-curves"))


def test_a_family_is_picked_and_a_table_sorted(page: Any) -> None:
    before = page.evaluate("JSON.stringify(document.getElementById('at-blackbox-curves').dataset.figure)")
    page.locator("select").first.select_option(label="yahpo")
    assert page.evaluate("JSON.stringify(document.getElementById('at-blackbox-curves').dataset.figure)") != before
    table = page.locator("table.sorts").first
    first = table.locator("tbody tr td:first-child")
    assert first.first.inner_text().strip() == "gp"
    head = table.locator("thead th").nth(1)
    head.click()
    head.click()
    ranks = page.evaluate(
        "[...document.querySelector('table.sorts').tBodies[0].rows].map((r) => +r.cells[1].dataset.key)"
    )
    assert ranks == sorted(ranks, reverse=True)


def test_colours_of_text_follow_the_scheme(page: Any) -> None:
    shown(page, "blackbox-curves")
    colour = "getComputedStyle(document.querySelector('#at-blackbox-curves .xtick text')).fill"
    before = page.evaluate(colour)
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    page.emulate_media(color_scheme="light" if dark else "dark")
    wait(page, f"{colour} !== '{before}'")

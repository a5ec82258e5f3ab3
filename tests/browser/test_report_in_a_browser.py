"""The page as a browser shows it; skipped where there is neither Chromium nor Playwright."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edgebatch.reporting.html.opening import write_page
from report_inputs import PRECISIONS, RATES, planned, study, swept

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("there is no Chromium", allow_module_level=True)

_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WIDTHS = (360, 768, 1440)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a page of each kind by name."""
    folder = tmp_path_factory.mktemp("pages")
    swept(folder / "sweep")
    swept(folder / "settings", study(RATES, PRECISIONS, policies=("dftsp", "none", "rolling")))
    planned(folder / "plan")
    for name in ("sweep", "settings", "plan"):
        write_page(folder / name, folder / f"{name}.html")
    return {name: folder / f"{name}.html" for name in ("sweep", "settings", "plan")}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        yield found
        found.close()


class Visit:
    """A page in a browser, and whatever it complained of or asked the network for."""

    def __init__(self, browser: Browser, path: Path, **options: Any) -> None:
        options = {"viewport": {"width": 1440, "height": 900}, **options}
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.see_all()

    def see_all(self) -> None:
        """Scroll through the page until every plot that can be seen is drawn."""
        self.page.evaluate(
            """async () => {
                for (const plot of document.querySelectorAll(".plot")) {
                    if (plot.offsetParent === null) continue;
                    plot.scrollIntoView({behavior: "instant"});
                    while (!plot.querySelector(".main-svg")) {
                        await new Promise((done) => setTimeout(done, 10));
                    }
                }
            }"""
        )

    def value(self, script: str) -> Any:
        """Return what a script finds."""
        return self.page.evaluate(script)


@pytest.fixture
def visit(browser: Browser, pages: dict[str, Path]) -> Iterator[Any]:
    """Return a function that opens a page by name; what it opened is closed."""
    visits: list[Visit] = []

    def go(name: str, **options: Any) -> Visit:
        visits.append(Visit(browser, pages[name], **options))
        return visits[-1]

    yield go
    for each in visits:
        each.context.close()


@pytest.mark.parametrize("name", ["sweep", "settings", "plan"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_is_drawn_without_complaint_or_request(visit: Any, name: str, scheme: str) -> None:
    seen = visit(name, color_scheme=scheme)
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    empty = """[...document.querySelectorAll(".plot")].filter((plot) => plot.offsetParent !== null
        && !plot.querySelector(".trace, .barlayer path")).map((plot) => plot.dataset.figure)"""
    assert seen.value(empty) == []
    assert seen.value("document.querySelectorAll('.plot .main-svg').length") > 3


@pytest.mark.parametrize("name", ["sweep", "settings", "plan"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_never_scrolls_sideways(visit: Any, name: str, width: int) -> None:
    seen = visit(name, viewport={"width": width, "height": 800})
    assert seen.value("document.documentElement.scrollWidth") <= width
    seen.value("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert seen.value("document.documentElement.scrollWidth") <= width
    wide = f"""[...document.querySelectorAll("main *, header *")].filter((each) =>
        !each.closest(".scroll, .plot, pre") && each.getBoundingClientRect().right > {width} + 1
        ).map((each) => each.tagName + "." + each.className)"""
    assert seen.value(wide) == []


def brightness(colour: str) -> float:
    """Return the mean of a colour written as ``rgb(r, g, b)``, 0 to 255."""
    parts = [float(part) for part in re.findall(r"[\d.]+", colour)[:3]]
    return sum(parts) / 3.0


GROUND = "getComputedStyle(document.body).backgroundColor"
TICK = "getComputedStyle(document.querySelector('.plot .xtick text')).fill"


def test_the_theme_follows_the_system_and_the_button(visit: Any) -> None:
    seen = visit("sweep", color_scheme="dark")
    assert brightness(seen.value(GROUND)) < 60 < 180 < brightness(seen.value(TICK))
    seen.page.click("#theme")
    assert brightness(seen.value(TICK)) < 60 < 180 < brightness(seen.value(GROUND))
    seen.page.reload()
    seen.see_all()
    assert brightness(seen.value(TICK)) < 60 < 180 < brightness(seen.value(GROUND))


def test_on_paper_all_plots_are_there_in_the_colours_of_light_ground(visit: Any) -> None:
    seen = visit("sweep", color_scheme="dark")
    assert len(seen.page.pdf()) > 50_000
    seen.page.emulate_media(media="print")
    seen.value("window.dispatchEvent(new Event('beforeprint'))")
    assert brightness(seen.value(TICK)) < 60 < 180 < brightness(seen.value(GROUND))
    drawn = (
        "[...document.querySelectorAll('.plot')].every((each) => each.dataset.drawn === 'light')"
    )
    assert seen.value(drawn)


@pytest.mark.parametrize("name", ["sweep", "settings", "plan"])
def test_on_paper_no_table_is_cut(visit: Any, name: str) -> None:
    seen = visit(name, viewport={"width": 718, "height": 1000})  # A4 less margins of 1 cm
    seen.page.emulate_media(media="print")
    seen.value("window.dispatchEvent(new Event('beforeprint'))")
    assert seen.value("document.documentElement.scrollWidth") <= 718


COLUMN = (
    """(table, column) => [...table.tBodies[0].rows].map((row) => row.cells[column].innerText)"""
)


def test_a_press_on_a_heading_sorts_and_another_turns_the_order(visit: Any) -> None:
    seen = visit("sweep")
    table = seen.page.locator("#figures table")
    heading = table.locator("th").nth(2)
    text = "(table) => [...table.tBodies[0].rows].map((row) => Number(row.cells[2].dataset.order))"
    before = table.evaluate(text)
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert table.evaluate(text) == sorted(before, reverse=True) != before
    heading.locator("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert table.evaluate(text) == sorted(before)
    policy = table.locator("th").nth(1)
    policy.locator("button").click()
    names = table.evaluate(
        "(table) => [...table.tBodies[0].rows].map((row) => row.cells[1].innerText)"
    )
    assert names == sorted(names)
    assert heading.get_attribute("aria-sort") == "none"


def test_cells_without_a_figure_come_last_in_either_order(visit: Any) -> None:
    seen = visit("plan")
    table = seen.page.locator("#ranking table")
    for _ in range(2):
        table.locator("th").nth(5).locator("button").click()
        rates = table.evaluate(
            "(table) => [...table.tBodies[0].rows].map((r) => r.cells[5].innerText)"
        )
        assert rates[-1] == "–" != rates[0]


def test_a_series_is_hidden_and_shown_in_every_plot_at_once(visit: Any) -> None:
    seen = visit("sweep")
    count = """document.querySelectorAll(".plot .trace.scatter").length"""
    before = seen.value(count)
    button = seen.page.locator("#performance button[data-series=none]").first
    button.press("Space")
    assert button.get_attribute("aria-pressed") == "false"
    pressed = seen.page.locator("button[data-series=none][aria-pressed=true]")
    assert pressed.count() == 0
    assert seen.value(count) < before
    button.press("Space")
    assert seen.value(count) == before


def test_choosing_a_setting_shows_its_plots_alone(visit: Any) -> None:
    seen = visit("settings")
    shown = """[...document.querySelectorAll("[data-setting]")].filter((each) => !each.hidden)
        .map((each) => each.dataset.setting)"""
    options = seen.page.locator("#setting option").all_inner_texts()
    assert set(seen.value(shown)) == {options[0]}
    seen.page.select_option("#setting", options[1])
    assert set(seen.value(shown)) == {options[1]}
    seen.see_all()
    assert seen.complaints == []


def test_everything_that_can_be_pressed_can_be_reached_with_the_keyboard(visit: Any) -> None:
    seen = visit("settings")
    parts = "button, select, a[href], summary, .scroll, pre"
    unreachable = f"""[...document.querySelectorAll("{parts}")]
        .filter((each) => each.tabIndex < 0).length"""
    assert seen.value(unreachable) == 0
    seen.value("document.querySelector('.skip').focus()")
    assert seen.page.locator(".skip").bounding_box()["x"] >= 0  # out of sight unless it has focus
    seen.page.keyboard.press("Tab")
    assert seen.value("document.activeElement.id") == "theme"
    seen.page.keyboard.press("Shift+Tab")
    assert seen.value("document.activeElement.className") == "skip"
    nameless = """[...document.querySelectorAll("button, select")].filter((each) =>
        !(each.textContent.trim() || each.ariaLabel || each.labels?.length)).length"""
    assert seen.value(nameless) == 0


def test_without_javascript_every_plot_still_has_its_table(
    visit: Any, pages: Any, browser: Any
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(pages["sweep"].as_uri())
    assert page.locator("noscript p, .notice").count() >= 1
    assert page.locator("figure details table").count() == page.locator("figure").count() > 5
    context.close()

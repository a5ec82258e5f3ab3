"""The operator's page as a browser shows it, in front of a real gateway."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from chromium import open_chromium
from edgebatch.engines import Engine, EngineInfo
from edgebatch.errors import EngineError
from edgebatch.serving.keys import hash_key
from serving import gateway_thread
from serving.gateway_thread import FragileEngine, GatewayThread, HeldGateway
from serving.test_several_servers import Servers
from serving.unanswered import asking

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

LONG = {"max_tokens": 4000, "slo_e2e_ms": 1e6}
GROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_chromium() as found:
        yield found


class Visit:
    """The page in a browser, and whatever it complained of or asked for."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        options = {"viewport": {"width": 1440, "height": 900}, **options}
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)

    def tile(self, label: str) -> Locator:
        return self.page.locator(".tile", has=self.page.get_by_text(label, exact=True))

    def value(self, script: str) -> Any:
        return self.page.evaluate(script)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Any]:
    """Return a function that opens the page of a gateway; what it opened is closed."""
    visits: list[Visit] = []

    def go(thread: GatewayThread, **options: Any) -> Visit:
        visits.append(Visit(browser, thread.url, **options))
        return visits[-1]

    yield go
    for each in visits:
        each.context.close()


def expect(locator: Locator) -> Any:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)
    return expect(locator)


def ask(url: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{url}/v1/completions", json={"prompt": "Once", **body}, timeout=30)


def shown_rows(seen: Visit, name: str) -> Locator:
    return seen.page.locator(f"#{name} tr:not([hidden])")


def seconds_of(text: str) -> float:
    """Return the seconds of a time as the page writes it."""
    number, unit = text.split()
    return float(number) * {"ms": 1e-3, "s": 1.0, "min": 60.0}[unit]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_who_waits_and_who_runs_is_shown_without_complaint_or_foreign_request(
    visit: Any, scheme: str
) -> None:
    with (
        GatewayThread("rolling:batch_cap=2") as thread,
        asking(thread.url, [LONG] * 5),
    ):
        seen = visit(thread, color_scheme=scheme)
        expect(seen.page.locator("#state")).to_have_text("Ready")
        expect(shown_rows(seen, "running")).to_have_count(2)
        expect(shown_rows(seen, "waiting")).to_have_count(3)
        expect(seen.tile("In the engine")).to_contain_text("2requests")
        expect(seen.tile("Waiting").locator("dd > span").first).to_have_text("3")
        running = shown_rows(seen, "running").first
        expect(running.locator("td").first).to_have_text(re.compile(r"^\d+ / 4000$"))
        before = int(running.locator("td").first.inner_text().split()[0])
        # 4000 tokens of 10 ms within 1000 s
        cells = running.locator("td").all_inner_texts()
        assert 20 < seconds_of(cells[2]) < 100 < 900 < seconds_of(cells[3]) <= 1020
        expect(running.locator("td").first).not_to_have_text(f"{before} / 4000")
        assert int(running.locator("td").first.inner_text().split()[0]) > before
        seen.page.locator("#load").scroll_into_view_if_needed()
        expect(seen.page.locator("#what-if-told")).to_have_text("Too few requests have ended yet.")
        assert seen.complaints == []
        assert [url for url in seen.requests if not url.startswith(thread.url)] == []


def test_the_share_in_time_and_the_reasons_are_those_of_the_requests(visit: Any) -> None:
    with GatewayThread() as thread:
        for _ in range(3):
            assert ask(thread.url, max_tokens=5).status_code == 200
        assert ask(thread.url, max_tokens=500, slo_e2e_ms=50).status_code == 422
        seen = visit(thread)
        # three of four
        expect(seen.tile("In time, last minute")).to_contain_text("75 %of 4 that ended")
        texts = [" ".join(row.split()) for row in shown_rows(seen, "ends").all_inner_texts()]
        assert texts == ["In time 3 3", "Rejected its deadline is too short for any answer 1 1"]
        expect(seen.page.locator("#scatter-told")).to_contain_text("3 latest answers, 0 of them")
        label = seen.page.locator("#share-chart").get_attribute("aria-label")
        assert label == "Line of the share in time; now 75 %"
        assert seen.page.locator(".u-wrap canvas").count() == 2


def test_the_slider_asks_what_more_load_would_do(visit: Any) -> None:
    with GatewayThread() as thread:
        for _ in range(3):
            ask(thread.url, max_tokens=5)
        seen = visit(thread)
        slider = seen.page.get_by_role("slider", name="The latest requests, arriving")
        slider.focus()
        told = seen.page.locator("#what-if-told")
        expect(told).to_contain_text(re.compile(r"At this load \(.*, by the latest 3\) w8 would"))
        for _ in range(4):
            slider.press("ArrowRight")
        assert slider.get_attribute("aria-valuetext") == "4 × as fast"
        expect(told).to_contain_text("At that load")
        expect(seen.page.locator("#announcement")).to_contain_text("w8 would serve 100 % in time.")
        asked = [url for url in seen.requests if "what-if" in url]
        assert asked[-1].endswith("load_factor=4")


def test_the_slider_waits_for_the_what_if_of_someone_else(visit: Any) -> None:
    with HeldGateway() as thread, ThreadPoolExecutor() as pool:
        other = pool.submit(httpx.get, f"{thread.url}/edgebatch/what-if", timeout=60)
        assert thread.held.has_begun.wait(60)
        seen = visit(thread)
        expect(seen.page.locator("#state")).to_have_text("Ready")
        seen.page.locator("#load").press("ArrowRight")
        told = seen.page.locator("#what-if-told")
        expect(told).to_have_text(re.compile("busy with another simulation; it will be asked"))
        thread.held.may_go.set()
        assert other.result().status_code == 200
        expect(told).to_contain_text(re.compile(r"At that load \(.*, by the latest 2\) w8 would"))
        expect(seen.page.locator("#announcement")).to_contain_text("w8 would serve 100 % in time.")


def test_a_what_if_that_takes_long_is_not_asked_for_twice(visit: Any) -> None:
    with HeldGateway() as thread:
        seen = visit(thread)
        seen.page.clock.install()
        seen.page.locator("#load").scroll_into_view_if_needed()
        assert thread.held.has_begun.wait(60)
        seen.page.clock.run_for(20_000)
        for _ in range(3):
            with seen.page.expect_request("**/edgebatch/state"):
                pass
        assert len([url for url in seen.requests if "what-if" in url]) == 1
        thread.held.may_go.set()
        expect(seen.page.locator("#what-if-told")).to_contain_text("by the latest 2) w8 would")


def test_a_long_queue_is_shown_in_part(visit: Any) -> None:
    # 16 × 4000 tokens of 4 bytes fit the million
    with (
        GatewayThread("rolling:batch_cap=16", limits={"queue": 300}) as thread,
        asking(thread.url, [LONG] * 236),
    ):
        seen = visit(thread)
        expect(seen.page.locator("#waiting-count")).to_have_text("220, the first 200 shown")
        expect(shown_rows(seen, "waiting")).to_have_count(200)
        expect(shown_rows(seen, "running")).to_have_count(16)


def brightness(colour: str) -> float:
    """Return the mean of a colour written as ``rgb(r, g, b)``, 0 to 255."""
    return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 3.0


def test_the_theme_follows_the_system_and_the_button(visit: Any) -> None:
    with GatewayThread() as thread:
        seen = visit(thread, color_scheme="dark")
        assert brightness(seen.value(GROUND)) < 60
        seen.page.emulate_media(color_scheme="light")
        expect(seen.page.locator("html")).to_have_attribute("data-theme", "light")
        assert brightness(seen.value(GROUND)) > 180
        seen.page.get_by_role("button", name="Dark").click()
        assert brightness(seen.value(GROUND)) < 60
        seen.page.reload()
        assert brightness(seen.value(GROUND)) < 60
        assert seen.page.get_by_role("button", name="Light").is_visible()


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_page_never_scrolls_sideways(visit: Any, width: int) -> None:
    keys = [{"name": "the-back-office-of-the-second-floor", "sha256": hash_key("secret")}]
    name = "a-model-with-a-name-that-is-longer-than-a-phone-is-wide-Q4_K_M"
    headers = {"authorization": "Bearer secret"}
    with (
        GatewayThread("rolling:batch_cap=2", keys=keys, served_name=name) as thread,
        asking(thread.url, [LONG] * 4, headers),
    ):
        seen = visit(thread, viewport={"width": width, "height": 740})
        seen.page.get_by_label("API key", exact=True).fill("secret")
        seen.page.keyboard.press("Enter")
        expect(shown_rows(seen, "waiting")).to_have_count(2)
        assert seen.value("document.documentElement.scrollWidth") <= width
        wide = f"""[...document.querySelectorAll("main *, header *")].filter((each) =>
            each.getBoundingClientRect().right > {width} + 1).map((each) => each.outerHTML)"""
        assert seen.value(wide) == []
        cut = """[...document.querySelectorAll(".scroll, .card")].filter((each) =>
            each.scrollWidth > each.clientWidth).map((each) => each.innerText)"""
        assert seen.value(cut) == []


def test_a_key_is_asked_for_and_kept_for_the_tab_alone(visit: Any) -> None:
    keys = [{"name": "alice", "sha256": hash_key("secret")}]
    with GatewayThread(keys=keys) as thread:
        seen = visit(thread)
        expect(seen.page.locator("#state")).to_have_text("A key is needed")
        assert not seen.page.locator("#main").is_visible()
        field = seen.page.get_by_label("API key", exact=True)
        expect(field).to_be_focused()
        field.fill("guess")
        field.press("Enter")
        expect(seen.page.locator("#key-told")).to_have_text("The gateway does not know this key.")
        field.fill("secret")
        field.press("Enter")
        expect(seen.page.locator("#state")).to_have_text("Ready")
        assert not field.is_visible()
        seen.page.reload()
        expect(seen.page.locator("#state")).to_have_text("Ready")
        assert "secret" in seen.value("Object.values(sessionStorage)")
        assert seen.value("Object.values(localStorage)") == []
        assert not any("secret" in url for url in seen.requests)
        other = visit(thread)
        expect(other.page.locator("#state")).to_have_text("A key is needed")
        # Chromium itself writes down that an answer was 401
        assert all("401" in complaint for complaint in seen.complaints)


class _DeadEngine(FragileEngine):
    async def start(self) -> EngineInfo:
        raise EngineError("it cannot start")


class _BreakingThread(GatewayThread):
    """A gateway whose engine, once broken, starts again only when it is let."""

    may_start = True

    def _make_engine(self) -> Engine:
        engine = super()._make_engine()
        return engine if self.may_start else _DeadEngine(self.scenario)


def test_the_banner_tells_of_a_broken_engine_and_of_its_return(visit: Any) -> None:
    breaking = _BreakingThread()
    with breaking as thread:
        seen = visit(thread)
        state = seen.page.locator("#state")
        expect(state).to_have_text("Ready")
        breaking.may_start = False
        thread.break_engine()
        with asking(thread.url, [LONG]):
            expect(state).to_have_text("Engine down")
            expect(seen.page.locator("#banner")).to_have_attribute("data-level", "bad")
            assert state.get_attribute("role") == "status"
            breaking.may_start = True
            expect(state).to_have_text("Ready")
        expect(seen.page.locator("#facts")).to_contain_text("engine restarted")
        assert seen.complaints == []


def test_the_banner_tells_of_draining_and_of_a_lost_connection(visit: Any) -> None:
    with GatewayThread() as thread:
        draining: list[asyncio.Task[None]] = []
        seen = visit(thread)
        state = seen.page.locator("#state")
        with asking(thread.url, [LONG]):
            expect(shown_rows(seen, "running")).to_have_count(1)
            drain = thread.gateway.drain
            thread.call(lambda: draining.append(asyncio.ensure_future(drain())))
            expect(state).to_have_text("Draining")
        seen.context.set_offline(True)
        expect(state).to_have_text("Connection lost")
        assert float(seen.value("getComputedStyle(document.querySelector('main')).opacity")) < 1
        seen.context.set_offline(False)
        expect(state).to_have_text("Draining")


def test_words_of_the_server_are_text(visit: Any) -> None:
    with GatewayThread(served_name="<img src=x onerror=alert(1)>") as thread:
        ask(thread.url, max_tokens=2)
        seen = visit(thread)
        expect(seen.page.locator("#model")).to_have_text("<img src=x onerror=alert(1)>")
        assert seen.page.locator("img").count() == 0
        assert seen.complaints == []


def test_nobody_is_asked_while_nobody_looks(visit: Any) -> None:
    with GatewayThread() as thread:
        seen = visit(thread)
        expect(seen.page.locator("#state")).to_have_text("Ready")
        hide = """(hidden) => {
            Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
        seen.page.evaluate(hide, True)
        seen.page.wait_for_timeout(1000)  # what was under way has come
        before = len(seen.requests)
        seen.page.wait_for_timeout(2500)
        assert len(seen.requests) == before
        seen.page.evaluate(hide, False)
        with seen.page.expect_request("**/edgebatch/state"):
            pass


def test_the_radio_is_shown_where_batches_have_phases(
    visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GatewayThread() as thread:
        seen = visit(thread)
        expect(seen.tile("Memory")).to_be_visible()
        assert not seen.tile("Uplink").is_visible()
    node = {**gateway_thread.DOCUMENT["node"], "uplink_seconds": 0.05}
    monkeypatch.setitem(gateway_thread.DOCUMENT, "node", node)
    with GatewayThread("dftsp") as thread:
        seen = visit(thread)
        expect(seen.tile("Uplink")).to_contain_text("of phases of 50 ms")
        assert not seen.tile("Downlink").is_visible()


def test_everything_can_be_reached_with_the_keyboard_and_has_a_name(visit: Any) -> None:
    with GatewayThread("rolling:batch_cap=1") as thread, asking(thread.url, [LONG] * 2):
        seen = visit(thread, reduced_motion="reduce")
        expect(shown_rows(seen, "waiting")).to_have_count(1)
        reached = []
        for _ in range(5):
            seen.page.keyboard.press("Tab")
            reached.append(
                seen.value("document.activeElement.id || document.activeElement.className")
            )
        assert reached == ["skip", "theme", "scroll", "scroll", "load"]
        assert seen.page.get_by_role("table").count() >= 2
        assert seen.page.get_by_role("rowheader", name="#0").count() == 1
        unnamed = """[...document.querySelectorAll("[role=img], [role=group], section")].filter(
            (each) => !each.ariaLabel && !each.getAttribute("aria-labelledby")).length"""
        assert seen.value(unnamed) == 0


def test_servers_are_shown_where_there_are_several(visit: Any) -> None:
    with Servers() as thread:
        opened = visit(thread, viewport={"width": 390, "height": 844})
        rows = opened.page.locator("#servers tr")
        expect(rows).to_have_count(2)
        expect(rows.nth(0)).to_contain_text("good w8")
        expect(rows.nth(1)).to_contain_text("runs")
        thread.break_server(1)
        expect(rows.nth(1)).to_contain_text("away")
        expect(opened.page.locator("#state")).to_have_text("Ready")
        thread.errors[1] = None
        expect(rows.nth(1)).to_contain_text("runs, lost once")
        assert opened.value("document.documentElement.scrollWidth") <= 390
        assert opened.complaints == []
    with GatewayThread() as thread:
        opened = visit(thread)
        expect(opened.page.locator("#main")).to_be_visible()
        expect(opened.page.locator("#servers-card")).to_be_hidden()

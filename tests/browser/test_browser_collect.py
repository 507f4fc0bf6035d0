"""The rating page in a real browser: accessible at desk and phone, usable by keys alone, blind to scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from ..conftest import RatingServer
from .conftest import PAINTED, violations

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

SMALL = Path(__file__).parents[1] / "pipeline" / "small.toml"
KINDS = {"score_preference", "response_preference", "equivalence", "rating"}
PATIENCE = 120_000  # ms: a busy machine is no failure
FINGER = 44  # px
DEVICES = {
    "desk": {"viewport": {"width": 1100, "height": 800}},
    "phone": {"viewport": {"width": 400, "height": 800}, "has_touch": True, "is_mobile": True},
}
# What can be hit, with its size on the screen, if it is less than a finger needs.
SMALL_TARGETS = """least => [...document.querySelectorAll('a, button, summary, textarea')]
  .map(part => [part.textContent.trim(), part.getBoundingClientRect()])
  .filter(([, box]) => box.height > 0 && (box.height < least || box.width < least))
  .map(([text, box]) => `${text} ${box.width} x ${box.height}`)"""


@pytest.fixture(scope="module")
def server(chromium_program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RatingServer]:
    """A collection of seven questions for each of four raters."""
    study = tmp_path_factory.mktemp("small") / "study.toml"
    study.write_text(SMALL.read_text(encoding="utf-8"), encoding="utf-8")
    options = ("--raters", "desk,phone,keys,off", "--kinds", ",".join(sorted(KINDS)))
    small = ("--max-responses", "1", "--overlap", "1", "--anchors", "0", "--repeats", "0")
    made = RatingServer(study.parent, *options, *small)
    yield made
    made.kill()


class Looks:
    """Looks at each page that it is shown, and keeps what the browser says and asks for."""

    def __init__(self, context: BrowserContext, axe: str, device: str) -> None:
        self.axe, self.device = axe, device
        self.seen: list[str] = []
        self.said: list[str] = []
        self.hosts: set[str | None] = set()
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname))
        self.page = context.new_page()
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda problem: self.said.append(str(problem)))

    def press(self, button: Locator) -> None:
        """Press a button or link and wait for the page that it leads to."""
        with self.page.expect_navigation():
            button.click()

    def at(self, name: str) -> None:
        """axe-core in daylight and at night, nothing sideways, room for a finger, on the page as it is."""
        self.seen.append(name)
        page = self.page
        assert violations(page, self.axe) == [], name
        page.emulate_media(color_scheme="dark")
        assert violations(page, self.axe, ["color-contrast"]) == [], f"{name}, dark"
        page.emulate_media(color_scheme="light")
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        if self.device == "phone":
            assert page.evaluate("document.documentElement.clientWidth") == 400
            assert page.evaluate(SMALL_TARGETS, FINGER) == [], name


def kind_of(page: Page) -> str | None:
    """The kind of question on the page; None if there is none."""
    choices = page.locator("#answer .choices")
    return (choices.get_attribute("class") or "").split()[-1] if choices.count() else None


@pytest.mark.parametrize("device", sorted(DEVICES))
def test_every_kind_of_page(chromium: Browser, axe: str, server: RatingServer, device: str) -> None:
    with chromium.new_context(**DEVICES[device]) as context:
        look = Looks(context, axe, device)
        page = look.page
        page.goto(server.link(device))
        look.at("link")
        look.press(page.get_by_role("link", name="Start"))
        page.get_by_text("Add a comment").click()
        page.get_by_label("A comment").fill("A comment\nof two lines")
        look.at("comment")
        look.press(page.get_by_role("button", name="I cannot judge this"))
        look.press(page.get_by_role("button", name="Undo"))
        assert page.locator("progress").get_attribute("value") == "0"
        while (kind := kind_of(page)) is not None:
            if kind not in look.seen:
                look.at(kind)
            look.press(page.locator("#answer .choices button").last)
        look.at("done")
        look.press(page.get_by_role("button", name="Undo"))
        look.at("undone")
        look.press(page.get_by_role("button", name="I cannot judge this"))
        assert "1 of them “cannot judge”" in page.get_by_role("status").inner_text()
        page.goto(server.link("overview"))
        look.at("overview")
        assert look.said == []
        page.goto(server.link("overview")[:-1])
        look.at("refused")
    assert set(look.seen) >= KINDS
    assert look.hosts == {"127.0.0.1"}
    assert [text for text in look.said if "404" not in text] == []


def test_keys_alone_are_enough(chromium: Browser, server: RatingServer) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(server.link("keys"))
        page.keyboard.press("Tab")  # the switch of the keys
        page.keyboard.press("Space")
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector("#answer")
        number = int(page.locator("progress").get_attribute("max") or 0)
        for done in range(number):
            page.wait_for_selector(f"progress[value='{done}']")
            page.wait_for_load_state()  # keys are listened to from here on
            page.evaluate(PAINTED)
            page.keyboard.press("m")
            page.wait_for_selector("#comment:focus")
            page.keyboard.type("1 u c 2")  # letters of a comment press nothing
            page.keyboard.press("Escape")
            choice = page.locator("#answer .choices button").nth(done % 2)
            label, key = choice.locator(".label").inner_text(), choice.locator("kbd").inner_text()
            if kind_of(page) in ("score_preference", "rating"):  # the key is the score
                assert label.removeprefix("Score ").split(" · ")[0] == key
            page.keyboard.press(key)
        page.wait_for_selector("h1:has-text('Thank you')")
        assert number == 7


def test_keys_can_be_switched_off(chromium: Browser, server: RatingServer) -> None:
    """WCAG 2.1.4: single keys can be turned off."""
    with chromium.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(server.link("off"))
        page.get_by_label("Answer by keys").uncheck()
        page.get_by_role("link", name="Start").click()
        page.wait_for_selector("#answer")
        page.wait_for_load_state()
        assert page.locator("kbd:visible").count() == 0
        page.keyboard.press("m")
        assert not page.locator("details.comment").evaluate("comment => comment.open")
        page.go_back()
        assert not page.get_by_label("Answer by keys").is_checked()
        page.get_by_label("Answer by keys").check()
        page.go_forward()
        page.reload()
        page.wait_for_load_state()
        page.evaluate(PAINTED)
        page.keyboard.press("m")
        assert page.locator("details.comment").evaluate("comment => comment.open")

"""The viewer in a browser, and its door."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from annotary import Client
from annotary.client.drawing import Drawings
from annotary.drawing.colours import PALETTE
from annotary.viewer.serving import Viewer

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
HOSTILE = '"><script>'
BOXES = [
    ("a.png", "cat", (10, 10, 60, 60)),
    ("a.png", "cat", (10, 10, 60, 60)),
    ("a.png", "dog", (100, 20, 40, 40)),
    ("b.png", "cat", (20, 20, 50, 50)),
    ("b.png", "dog", (20, 20, 50, 50)),
    ("b.png", HOSTILE, (80, 30, 2, 2)),
    ("<img onerror=alert(1)>.png", "dog", (150, 50, 49, 49)),
]


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[Viewer]:
    with Client(home=tmp_path / "home") as client:
        project = client.create_project("pets")
        names = dict.fromkeys(name for name, _, _ in BOXES)
        for name in names:
            if not name.startswith("<"):
                Image.new("RGB", (200, 100), "grey").save(tmp_path / name)
        project.assets.register(
            [
                {"filename": name, "width": 200, "height": 100, "path": str(tmp_path / name)}
                for name in [*names, "empty.png"]
            ]
        )
        project.annotations.create([_box(*each) for each in BOXES])
        drawings = Drawings(project.transport, project.id)
        with Viewer(project.name, drawings, "8 records: 7 shown, 1 skipped") as served:
            thread = threading.Thread(target=served.serve_forever, args=(0.02,))
            thread.start()
            yield served
            served.shutdown()
            thread.join()


def _box(name: str, tag: str, at: tuple[int, int, int, int]) -> dict[str, Any]:
    x0, y0, x1, y1 = at[0] / 200, at[1] / 100, (at[0] + at[2]) / 200, (at[1] + at[3]) / 100
    bound = [[x0, y0], [x0, y1], [x1, y1], [x1, y0]]
    return {"asset_id": name, "tag": tag, "bound_type": "Rectangle", "bound": bound}


class Caller:
    """Asks without a browser."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.cookie = ""

    def ask(self, path: str, host: str | None = None) -> tuple[int, bytes, Any]:
        port = self.viewer.server_port
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers = {"Host": host or f"127.0.0.1:{port}", "Cookie": self.cookie}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        found = answer.status, answer.read(), answer.headers
        connection.close()
        return found

    def enter(self) -> None:
        status, _, headers = self.ask(f"/?code={self.viewer.door.code}")
        assert status == 303
        self.cookie = headers["Set-Cookie"].split(";")[0]

    def json(self, path: str) -> Any:
        status, body, _ = self.ask(path)
        assert status == 200, body
        return json.loads(body)


@pytest.mark.parametrize("path", ["/", "/main.js", "/api/summary", "/api/cards", "/picture/0"])
def test_nothing_is_answered_without_the_cookie_or_under_another_name(
    viewer: Viewer, path: str
) -> None:
    caller = Caller(viewer)
    assert caller.ask(path)[0] == 401
    caller.enter()
    status, _, headers = caller.ask(path)
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert caller.ask(path, host="evil.example")[0] == 421
    assert caller.ask(path, host=f"evil.example:{viewer.server_port}")[0] == 421


def test_a_code_works_once(viewer: Viewer) -> None:
    assert Caller(viewer).ask("/?code=guess")[0] == 401
    Caller(viewer).enter()
    status, body, _ = Caller(viewer).ask(f"/?code={viewer.door.code}")
    assert status == 401
    assert b"used already" in body


def test_cookies_are_not_for_scripts_or_other_sites(viewer: Viewer) -> None:
    _, _, headers = Caller(viewer).ask(f"/?code={viewer.door.code}")
    assert "HttpOnly" in headers["Set-Cookie"]
    assert "SameSite=Strict" in headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/../serving.py", 404),
        ("/nothing", 404),
        ("/picture/99", 404),
        ("/picture/-1", 404),
        ("/picture/0?size=99999", 400),
        ("/picture/x", 400),
        ("/api/cards?start=x", 400),
    ],
)
def test_wrong_addresses_are_told(viewer: Viewer, path: str, status: int) -> None:
    caller = Caller(viewer)
    caller.enter()
    assert caller.ask(path)[0] == status


def test_each_problem_shows_exactly_its_own(viewer: Viewer) -> None:
    caller = Caller(viewer)
    caller.enter()
    facets = caller.json("/api/cards")["facets"]
    assert facets["problem"] == {
        "tiny": 1, "sliver": 0, "whole": 0, "outside": 0, "duplicate": 2, "clash": 2,
    }  # fmt: skip
    assert facets["tag"] == {"cat": 3, "dog": 3, HOSTILE: 1}
    found = caller.json("/api/cards?problem=clash&tag=cat")
    assert [card["name"] for card in found["cards"]] == ["b.png"]
    assert found["objects"] == 1
    # each facet leaves its own choice aside
    assert found["facets"]["tag"] == {"cat": 1, "dog": 1, HOSTILE: 0}
    assert found["facets"]["problem"]["duplicate"] == 2
    assert caller.json("/api/cards?tag=nothing")["total"] == 0
    assert caller.json("/api/cards?name=EMPTY")["total"] == 1
    assert caller.json("/api/cards?start=3")["cards"][0]["n"] == 3


# --- in a browser ---------------------------------------------------------------------------


@pytest.fixture
def page(viewer: Viewer) -> Iterator[Any]:
    """A browser's page with the viewer in it. What the console says is an error."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1280, "height": 800})
        said: list[str] = []
        shown.on("console", lambda message: said.append(message.text))
        shown.on("pageerror", lambda error: said.append(str(error)))
        shown.set_default_timeout(20_000)
        shown.goto(viewer.address)
        shown.get_by_text("4 images").wait_for()
        yield shown
        browser.close()
        assert said == []


def test_the_address_is_the_view(page: Any) -> None:
    page.get_by_text("8 records: 7 shown, 1 skipped").wait_for()
    page.get_by_role("button", name="cat 3", exact=True).click()
    page.get_by_text("2 images of 4, 3 annotations").wait_for()
    assert "tag=cat" in page.url
    page.reload()
    page.get_by_text("2 images of 4, 3 annotations").wait_for()
    page.go_back()
    page.get_by_text("4 images, 7 annotations").wait_for()


def test_without_a_mouse(page: Any) -> None:
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_text("3 annotations").wait_for()
    assert "open=1" in page.url
    page.keyboard.press("j")
    page.locator("#list button[aria-pressed=true]").wait_for()
    page.keyboard.press("ArrowLeft")
    page.locator("#title", has_text="a.png").wait_for()
    page.keyboard.press("Escape")
    page.locator("#stage").wait_for(state="hidden")
    page.keyboard.press("/")
    page.keyboard.type("empty")
    page.get_by_text("1 image of 4").wait_for()


def test_every_control_has_a_name(page: Any) -> None:
    for control in page.locator("button, input, select").all():
        named = control.get_attribute("aria-label") or control.text_content()
        assert named.strip()


def test_hostile_names_are_text(page: Any) -> None:
    page.get_by_text("<img onerror=alert(1)>.png").wait_for()
    page.get_by_role("button", name=HOSTILE).click()
    page.get_by_text("1 image of 4, 1 annotation").wait_for()
    assert page.locator("main script").count() == 0


def test_a_filter_that_leaves_nothing_says_what_to_do(page: Any) -> None:
    page.get_by_role("button", name="Fills the image").click()
    page.get_by_text("Nothing matches. Remove a filter above to see more.").wait_for()


def test_pictures_on_the_page_have_the_colours_of_their_tags(page: Any, viewer: Viewer) -> None:
    page.locator(".tile").first.click()
    page.wait_for_load_state("networkidle")
    # the left edge of the first box: x = 10 of 200
    colour = page.evaluate(
        """async () => {
          const image = document.getElementById("large");
          await image.decode();
          const canvas = document.createElement("canvas");
          canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
          const pen = canvas.getContext("2d"); pen.drawImage(image, 0, 0);
          return [...pen.getImageData(10, 50, 1, 1).data].slice(0, 3);
        }"""
    )
    wanted = [int(PALETTE[0][at : at + 2], 16) for at in (1, 3, 5)]
    assert all(abs(a - b) < 60 for a, b in zip(colour, wanted, strict=True)), colour

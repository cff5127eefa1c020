"""The viewer's own small server: pages, views, pictures; on this machine alone, read only."""

from __future__ import annotations

import io
import json
import threading
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from annotary.client.drawing import Drawings
from annotary.drawing import overlay
from annotary.model import Annotation
from annotary.viewer.door import Door
from annotary.viewer.facts import PROBLEMS, SORTS, Facts, Query

_PAGES = Path(__file__).parent / "pages"
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".js": "text/javascript",
}
_SIZES = (320, 640, 1600)
_MOST_CARDS = 200
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Viewer(ThreadingHTTPServer):
    """Shows one project; ``address`` lets one in, once and within a minute."""

    daemon_threads = True

    def __init__(self, name: str, drawings: Drawings, records: str, port: int = 0) -> None:
        """Reads the project's facts, and listens on a port of this machine (0: a free one)."""
        super().__init__(("127.0.0.1", port), _Handler)
        self.door = Door(self.server_port)
        self.address = f"http://127.0.0.1:{self.server_port}/?code={self.door.code}"
        self.name, self.records = name, records
        self._drawings = drawings
        self._colours = drawings.colours()
        assets = list(drawings.assets())
        self.facts = Facts(assets, drawings.annotations(), list(self._colours))
        self._two = threading.BoundedSemaphore(2)  # decoding takes memory: two at a time
        self.drawing = lru_cache(maxsize=512)(self._drawing)

    def summary(self) -> dict[str, Any]:
        """What stands still: the project's name, its tags and their colours."""
        return {
            "name": self.name,
            "records": self.records,
            "images": len(self.facts.assets),
            "objects": len(self.facts.asset),
            "colours": self._colours,
            "problems": PROBLEMS,
        }

    def cards(self, query: Query, start: int, limit: int) -> dict[str, Any]:
        """A page of the images that a query means, and its counts."""
        view = self.facts.view(query)
        chosen = view.assets[start : start + limit].tolist()
        return {
            "total": len(view.assets),
            "objects": view.objects,
            "facets": view.facets,
            "start": start,
            "cards": [
                {"n": at, "name": each.filename, **_size(each)}
                for at, each in ((at, self.facts.assets[at]) for at in chosen)
            ],
        }

    def image(self, at: int) -> dict[str, Any]:
        """One image with its annotations."""
        asset = self.facts.assets[at]
        shown = [_row(each) for each in self._drawings.annotations(asset.id)]
        meta = {"groups": asset.metadata.groups, "bytes": asset.metadata.file_size}
        return {"n": at, "name": asset.filename, **_size(asset), **meta, "annotations": shown}

    def _drawing(self, at: int, size: int, tag: str, bare: bool) -> bytes:
        """A JPEG of an image with its annotations; those of other tags are faint."""
        asset = self.facts.assets[at]
        out = io.BytesIO()
        with self._two:
            picture = self._drawings.picture(asset, size)
            every = [] if bare else list(self._drawings.annotations(asset.id))
            meant = [tag] if tag else []
            labels = size > _SIZES[1]
            image = overlay.draw(picture, every, self._colours, meant=meant, labels=labels)
            image.save(out, "JPEG", quality=85)
        return out.getvalue()


def _size(asset: Any) -> dict[str, int]:
    return {"width": asset.metadata.width, "height": asset.metadata.height}


def _row(annotation: Annotation) -> dict[str, Any]:
    points = overlay.points_of(annotation)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    box = [min(xs), min(ys), max(xs), max(ys)] if points else None
    score = (annotation.properties or {}).get("score")
    return {
        "id": annotation.id,
        "tag": annotation.tag,
        "kind": annotation.bound_type,
        "box": box,
        "score": score if isinstance(score, int | float) else None,
    }


class _Handler(BaseHTTPRequestHandler):
    server: Viewer
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Answer a page, a view or a picture."""
        try:
            if self.headers.get("Host", "") not in self.server.door.hosts:
                self._say(HTTPStatus.MISDIRECTED_REQUEST, "This is not the viewer's name.")
                return
            address = urlsplit(self.path)
            asked = {name: values[-1] for name, values in parse_qs(address.query).items()}
            if "code" in asked:
                self._enter(asked["code"])
            elif not self.server.door.knows(self.headers.get("Cookie", "")):
                self._say(
                    HTTPStatus.UNAUTHORIZED,
                    "Open the address that 'annotary view' has printed; it works once. Start "
                    "'annotary view' again for a new one.",
                )
            else:
                self._answer(address.path, asked)
        except (BrokenPipeError, ConnectionResetError):  # whoever asked is gone
            self.close_connection = True

    def _enter(self, code: str) -> None:
        cookie = self.server.door.enter(code)
        if cookie is None:
            self._say(
                HTTPStatus.UNAUTHORIZED,
                "This address was used already, or is older than a minute. Start 'annotary view' "
                "again for a new one.",
            )
            return
        self._send(b"", "text/plain", HTTPStatus.SEE_OTHER, {"Set-Cookie": cookie, "Location": "/"})

    def _answer(self, path: str, asked: dict[str, str]) -> None:
        viewer = self.server
        try:
            if path == "/api/summary":
                self._json(viewer.summary())
            elif path == "/api/cards":
                start, limit = int(asked.get("start", 0)), int(asked.get("limit", 60))
                self._json(
                    viewer.cards(_query(asked), max(0, start), max(1, min(limit, _MOST_CARDS)))
                )
            elif path.startswith("/api/image/"):
                self._json(viewer.image(_number(path, viewer)))
            elif path.startswith("/picture/"):
                size = int(asked.get("size", _SIZES[0]))
                if size not in _SIZES:
                    raise ValueError(size)
                jpeg = viewer.drawing(
                    _number(path, viewer), size, asked.get("tag", ""), "bare" in asked
                )
                self._send(jpeg, "image/jpeg")
            else:
                self._page(path)
        except ValueError:
            self._say(HTTPStatus.BAD_REQUEST, "A number in this address is not valid.")
        except LookupError:
            self._say(HTTPStatus.NOT_FOUND, "There is nothing at this address.")

    def _page(self, path: str) -> None:
        name = "index.html" if path == "/" else path[1:]
        known = {each.name: each for each in _PAGES.iterdir()}
        page = known[name]
        self._send(page.read_bytes(), f"{_TYPES[page.suffix]}; charset=utf-8")

    def _json(self, data: Any) -> None:
        self._send(json.dumps(data).encode(), "application/json")

    def _say(self, status: HTTPStatus, text: str) -> None:
        self._send(f"{text}\n".encode(), "text/plain; charset=utf-8", status)

    def _send(
        self,
        body: bytes,
        type_: str,
        status: HTTPStatus = HTTPStatus.OK,
        more: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": type_,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "private, max-age=600" if type_ == "image/jpeg" else "no-store",
        }
        for name, value in {**headers, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads a line for each picture."""


def _query(asked: dict[str, str]) -> Query:
    sort = asked.get("sort", "order")
    return Query(
        tag=asked.get("tag", ""),
        problem=asked.get("problem", ""),
        kind=asked.get("kind", ""),
        name=asked.get("name", ""),
        sort=sort if sort in SORTS else "order",
    )


def _number(path: str, viewer: Viewer) -> int:
    at = int(path.rsplit("/", 1)[-1])
    if not 0 <= at < len(viewer.facts.assets):
        raise LookupError(at)
    return at

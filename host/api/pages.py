"""The web page: static files, which ask the REST interface for everything that they show."""

from collections.abc import Callable
from importlib import resources

from fastapi import FastAPI, Response

__all__ = ["add_page"]

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_FILES = {"/": "index.html", "/page.css": "page.css", "/page.js": "page.js"}
_HEADERS = {
    # Nothing from elsewhere, nothing inline, in nobody's frame.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def add_page(app: FastAPI) -> None:
    """At ``/``. The files themselves are no secret; what they show takes a token."""
    for path, name in _FILES.items():
        app.get(path, include_in_schema=False, response_class=Response)(_answer(name))


def _answer(name: str) -> Callable[[], Response]:
    """What answers a request for a file; without parameters, which would be the client's to choose."""
    content = resources.files(__package__).joinpath("page", name).read_bytes()
    media = _TYPES[name.rpartition(".")[2]]
    return lambda: Response(content, media_type=media, headers=_HEADERS)

"""The web page: static files, which ask the REST interface for everything that they show."""

from importlib import resources

from fastapi import FastAPI, Response

__all__ = ["add_page"]

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
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
    folder = resources.files(__package__).joinpath("page")
    for path, name in _FILES.items():
        content = folder.joinpath(name).read_bytes()
        media = _TYPES[name.rpartition(".")[2]]

        def get(content: bytes = content, media: str = media) -> Response:
            return Response(content, media_type=media, headers=_HEADERS)

        app.get(path, include_in_schema=False, response_class=Response)(get)

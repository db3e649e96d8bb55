"""Where an etcd is, and how to speak to it."""

import http.client
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from etcd3gw.client import Etcd3Client

from .base import StoreError
from .login import Login

__all__ = ["Endpoint"]

_TLS_FILES = ("cacert", "cert", "key")
"""What a location may name, as etcdctl calls it: PEM files."""
_FILES = (*_TLS_FILES, "password_file")
_API = "/v3/"


@dataclass(frozen=True)
class Endpoint:
    """``etcd://HOST:PORT/PREFIX``, or ``etcds://HOST:PORT/PREFIX?cacert=FILE&cert=FILE&key=FILE`` with TLS; with
    authentication ``USER@HOST`` and ``password_file=FILE``."""

    host: str
    port: int
    prefix: str
    tls: bool = False
    cacert: str | None = None
    """Who has signed etcd's certificate; ``None``: somebody whom this machine trusts."""
    cert: str | None = None
    """Certificate of this client, if etcd wants one."""
    key: str | None = None
    user: str | None = None
    """Of etcd's authentication."""
    password_file: str | None = None

    @classmethod
    def parse(cls, location: str) -> "Endpoint":
        """Raises :class:`StoreError`."""
        # Somebody may have put a password there, or what is no word of ours.
        shown = re.sub(r"//.*@", "//…@", location).partition("?")[0].partition("#")[0]

        def wrong(reason: str) -> StoreError:
            remedy = (
                "write etcd://HOST:2379/PREFIX, or etcds://HOST:2379/PREFIX?cacert=FILE&cert=FILE&key=FILE; "
                "with a user, USER@HOST and password_file=FILE"
            )
            return StoreError(f"{shown} is no address of etcd: {reason}; remedy: {remedy}")

        try:
            parts = urlsplit(location)
            host, port = parts.hostname, parts.port or 2379
        except ValueError:
            raise wrong("host and port cannot be told") from None
        if parts.scheme not in ("etcd", "etcds") or not host:
            raise wrong("it has no host")
        if parts.password is not None or "@" in parts.path:
            raise wrong("passwords stand in files, as locations stand in logs")
        if parts.fragment:
            raise wrong("'#' means nothing")
        files = dict(parse_qsl(parts.query, keep_blank_values=True))
        if parts.scheme == "etcd" and not files.keys().isdisjoint(_TLS_FILES):
            raise wrong("certificates are for etcds")
        for name, file in files.items():
            if name not in _FILES:
                raise wrong(f"'{name}' is none of {', '.join(_FILES)}")
            if not Path(file).is_file():
                raise wrong(f"there is no file '{file}'")
        if ("cert" in files) != ("key" in files):
            raise wrong("cert and key go together")
        if (parts.username is not None) != ("password_file" in files):
            raise wrong("a user and password_file go together")
        user = None if parts.username is None else unquote(parts.username)
        prefix = parts.path.strip("/") or "opentep"
        return cls(host, port, prefix, parts.scheme == "etcds", user=user, **files)

    def client(self, timeout: float, login: Login | None = None) -> Etcd3Client:
        """A connection that gives up after ``timeout`` seconds without an answer."""
        client = Etcd3Client(
            self.host,
            self.port,
            protocol="https" if self.tls else "http",
            ca_cert=self.cacert,
            cert_cert=self.cert,
            cert_key=self.key,
            timeout=timeout,
            api_path=_API,  # it need not ask for it
        )
        client.session.trust_env = False  # or REQUESTS_CA_BUNDLE would count for more than `cacert`
        client.session.auth = login
        return client

    def login(self, timeout: float) -> Login | None:
        """For all connections of a user; ``None`` without one."""
        if self.user is None or self.password_file is None:
            return None
        client = self.client(timeout)
        url = client.get_url("/auth/authenticate")
        return Login(url, self.user, Path(self.password_file), client.session, timeout)

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        """The same for whoever reads an answer while it comes."""
        if not self.tls:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        context = ssl.create_default_context(cafile=self.cacert)
        if self.cert is not None:
            context.load_cert_chain(self.cert, self.key)
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=context)

"""Where an etcd is, and how to speak to it."""

import http.client
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from etcd3gw.client import Etcd3Client

from .base import StoreError

__all__ = ["Endpoint"]

_FILES = ("cacert", "cert", "key")
"""What a location may name, as etcdctl calls it: PEM files."""


@dataclass(frozen=True)
class Endpoint:
    """``etcd://HOST:PORT/PREFIX``, or ``etcds://HOST:PORT/PREFIX?cacert=FILE&cert=FILE&key=FILE`` with TLS."""

    host: str
    port: int
    prefix: str
    tls: bool = False
    cacert: str | None = None
    """Who has signed etcd's certificate; ``None``: somebody whom this machine trusts."""
    cert: str | None = None
    """Certificate of this client, if etcd wants one."""
    key: str | None = None

    @classmethod
    def parse(cls, location: str) -> "Endpoint":
        """Raises :class:`StoreError`."""

        def wrong(reason: str) -> StoreError:
            remedy = (
                "write etcd://HOST:2379/PREFIX, or etcds://HOST:2379/PREFIX?cacert=FILE&cert=FILE&key=FILE"
            )
            return StoreError(f"{location} is no address of etcd: {reason}; remedy: {remedy}")

        try:
            parts = urlsplit(location)
            host, port = parts.hostname, parts.port or 2379
        except ValueError as error:
            raise wrong(str(error)) from None
        if parts.scheme not in ("etcd", "etcds") or not host:
            raise wrong("it has no host")
        files = dict(parse_qsl(parts.query, keep_blank_values=True))
        if parts.username is not None or parts.fragment:
            raise wrong("user names are not supported")
        if files and parts.scheme == "etcd":
            raise wrong("files are for etcds")
        for name, file in files.items():
            if name not in _FILES:
                raise wrong(f"'{name}' is none of {', '.join(_FILES)}")
            if not Path(file).is_file():
                raise wrong(f"there is no file '{file}'")
        if ("cert" in files) != ("key" in files):
            raise wrong("cert and key go together")
        return cls(host, port, parts.path.strip("/") or "opentep", parts.scheme == "etcds", **files)

    def client(self, timeout: float) -> Etcd3Client:
        """A connection that gives up after ``timeout`` seconds without an answer."""
        client = Etcd3Client(
            self.host,
            self.port,
            protocol="https" if self.tls else "http",
            ca_cert=self.cacert,
            cert_cert=self.cert,
            cert_key=self.key,
            timeout=timeout,
        )
        client.session.trust_env = False  # or REQUESTS_CA_BUNDLE would count for more than `cacert`
        return client

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        """The same for whoever reads an answer while it comes."""
        if not self.tls:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        context = ssl.create_default_context(cafile=self.cacert)
        if self.cert is not None:
            context.load_cert_chain(self.cert, self.key)
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=context)

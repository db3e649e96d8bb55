"""Who somebody is at an etcd with authentication."""

import threading
from pathlib import Path
from typing import Any

import requests
from requests.auth import AuthBase

__all__ = ["Login", "LoginError"]

_OLD_REVISION = b"revision of auth store is old"
"""What etcd says to a JSON Web Token after somebody changed users or roles."""


class LoginError(requests.RequestException):
    """etcd does not know this user by this password."""


class Login(AuthBase):
    """A user of etcd, whose requests carry a token. etcd forgets tokens; then another one is asked for, once.

    ``url``       etcd's ``/auth/authenticate``.
    ``name``      of the user.
    ``password``  a file with it, and a line end or none. It is read each time, so that it may change.
    ``session``   of a connection without a user, to ask for tokens.
    """

    def __init__(self, url: str, name: str, password: Path, session: requests.Session, timeout: float):
        self._url = url
        self._name = name
        self._password = password
        self._session = session
        self._timeout = timeout
        self._token: str | None = None
        self._lock = threading.Lock()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self.token()
        request.register_hook("response", self._refused)
        return request

    def token(self, instead_of: str | None = None) -> str:
        """The present one, which is not ``instead_of``.

        Raises :class:`LoginError`, or another ``requests.RequestException`` if etcd is not there.
        """
        with self._lock:
            if self._token is None or self._token == instead_of:
                self._token = self._ask()
            return self._token

    def close(self) -> None:
        self._session.close()

    def _ask(self) -> str:
        try:
            password = self._password.read_text().rstrip("\r\n")
        except (OSError, UnicodeError) as error:
            raise LoginError(f"the password of user {self._name}: {error}") from None
        # Nobody else is told the password: etcd does not redirect.
        answer = self._session.post(
            self._url,
            json={"name": self._name, "password": password},
            timeout=self._timeout,
            allow_redirects=False,
        )
        try:
            said = answer.json()
            if answer.status_code == requests.codes["ok"]:
                return str(said["token"])
            reason = str(said["error"])
        except (ValueError, KeyError, TypeError):
            reason = f"status {answer.status_code} without a token"
        raise LoginError(f"user {self._name}: {reason}")

    def _refused(self, answer: requests.Response, **options: Any) -> requests.Response:
        forgotten = answer.status_code == requests.codes["unauthorized"] or _OLD_REVISION in answer.content
        token = answer.request.headers.get("Authorization")
        if not forgotten or token is None:
            return answer
        answer.close()
        request = answer.request.copy()
        request.headers["Authorization"] = self.token(instead_of=token)
        return answer.connection.send(request, **options)

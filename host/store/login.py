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
        except OSError as error:
            raise LoginError(f"the password of user {self._name}: {error}") from None
        request = {"name": self._name, "password": password}
        answer = self._session.post(self._url, json=request, timeout=self._timeout)
        if not answer.ok:
            raise LoginError(f"user {self._name}: {answer.json().get('error', answer.reason)}")
        token: str = answer.json()["token"]
        return token

    def _refused(self, answer: requests.Response, **options: Any) -> requests.Response:
        if answer.status_code != requests.codes["unauthorized"] and _OLD_REVISION not in answer.content:
            return answer
        request = answer.request.copy()
        request.deregister_hook("response", self._refused)
        request.headers["Authorization"] = self.token(instead_of=request.headers["Authorization"])
        answer.close()
        return answer.connection.send(request, **options)

"""The REST interface: one application for one store."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Annotated, Any

import starlette.exceptions
from fastapi import Body, Depends, FastAPI, HTTPException, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from opentep.host.agent import counted, reports, what_is_missing, why_no_room
from opentep.host.controller import Change, ConflictError, Migration, Repository
from opentep.host.controller.find import find
from opentep.host.controller.kept import allocated
from opentep.host.controller.objects import KINDS, Key
from opentep.host.fabric.errors import FabricError
from opentep.host.fabric.source import Source
from opentep.host.store import Store, StoreError, open_store
from pydantic import AfterValidator

from .body import as_document
from .overview import overview
from .pages import add_page
from .tokens import Token, Tokens

__all__ = ["MAX_OCTETS", "create_app"]

MAX_OCTETS = 64 << 20
"""Of a request: a document with half a million VMs."""

_bearer = HTTPBearer(auto_error=False, description="A token of `opentep token add`.")

Kind = Annotated[str, Path(pattern=f"^({'|'.join(KINDS)})$")]

Document = Annotated[dict[str, Any], AfterValidator(as_document)]
Spec = Annotated[Any, Body(), AfterValidator(as_document)]

DryRun = Annotated[bool, Query(description="Only tell what would change.")]


def _error(status: int, message: str, **more: Any) -> JSONResponse:
    return JSONResponse({"error": message, **more}, status)


def _unauthorized() -> HTTPException:
    return HTTPException(401, "give a valid token", {"WWW-Authenticate": "Bearer"})


def _is_known(location: str, authorization: str) -> bool:
    scheme, secret = get_authorization_scheme_param(authorization)
    if scheme.lower() != "bearer":
        return False
    with closing(open_store(location)) as store:
        return Tokens(store).find(secret) is not None


def create_app(location: str, version: str = "") -> FastAPI:
    """For the store at ``location``, which is opened anew for each request."""
    app = FastAPI(
        title="opentep",
        version=version,
        description="The desired fabric, who changed it, and how its TEPs are. A page for people is at /.",
        docs_url=None,  # their scripts would come from elsewhere
        redoc_url=None,
    )

    def opened() -> Iterator[Store]:
        with closing(open_store(location)) as store:
            yield store

    Opened = Annotated[Store, Depends(opened)]

    def bearer(role: str) -> Callable[..., Repository]:
        def check(
            store: Opened, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
        ) -> Repository:
            token: Token | None = Tokens(store).find(credentials.credentials) if credentials else None
            if token is None:
                raise _unauthorized()
            if not token.allows(role):
                raise HTTPException(403, f"token '{token.name}' may only {token.role}")
            return Repository(store, token.name)

        return check

    Reading = Annotated[Repository, Depends(bearer("read"))]
    Writing = Annotated[Repository, Depends(bearer("admin"))]

    @app.middleware("http")
    async def limited(request: Request, call_next: Any) -> Any:
        """Before a body is read."""
        length = request.headers.get("content-length", "")
        # What comes in chunks has no length, also where one is said.
        if "transfer-encoding" in request.headers or (request.method == "PUT" and not length.isdecimal()):
            return _error(411, "say how long the body is, and send it in one piece")
        if length.isdecimal() and int(length) > MAX_OCTETS:
            return _error(413, f"more than {MAX_OCTETS} octets")
        if request.method == "PUT":
            try:
                known = await run_in_threadpool(_is_known, location, request.headers.get("authorization", ""))
            except StoreError as error:
                return await unavailable(request, error)
            if not known:
                return await refused(request, _unauthorized())
        return await call_next(request)

    @app.middleware("http")
    async def as_json(request: Request, call_next: Any) -> Any:
        """Bodies are JSON, whatever they are said to be: `curl -d` calls them a form."""
        others = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
        request.scope["headers"] = [*others, (b"content-type", b"application/json")]
        return await call_next(request)

    @app.exception_handler(starlette.exceptions.HTTPException)  # also of paths and methods that there are not
    async def refused(_: Request, error: starlette.exceptions.HTTPException) -> JSONResponse:
        response = _error(error.status_code, str(error.detail))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    async def misasked(_: Request, error: RequestValidationError) -> JSONResponse:
        problems = [
            {"at": "/".join(map(str, each["loc"])), "message": each["msg"]} for each in error.errors()
        ]
        return _error(422, "; ".join(f"{p['at']}: {p['message']}" for p in problems), problems=problems)

    @app.exception_handler(FabricError)
    async def wrong(_: Request, error: FabricError) -> JSONResponse:
        problems = [problem.as_dict() for problem in error.problems]
        return _error(422, "the fabric would not be right", problems=problems)

    @app.exception_handler(ConflictError)
    async def conflicting(_: Request, error: ConflictError) -> JSONResponse:
        conflicts = [{"kind": key.kind, "name": key.name, "change": how} for key, how in error.conflicts]
        return _error(409, "others changed the same", conflicts=conflicts)

    @app.exception_handler(StoreError)
    async def unavailable(_: Request, error: StoreError) -> JSONResponse:
        return _error(503, str(error))

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:  # which the server logs
        return _error(500, "this went wrong here, not with you: see the log of `opentep serve`")

    @app.get("/healthz", summary="Whether the store answers")
    def healthz(store: Opened) -> dict[str, int]:
        with store.view() as view:
            return {"revision": view.revision}

    @app.get("/v1/fabric", summary="The whole fabric as a document")
    def get_fabric(
        repository: Reading,
        complete: Annotated[bool, Query(description="With what was allocated.")] = False,
    ) -> dict[str, Any]:
        revision, document = repository.document(complete=complete)
        return {"revision": revision, "document": document}

    @app.put("/v1/fabric", summary="Make the fabric what a document says")
    def put_fabric(
        repository: Writing,
        document: Document,
        base: Annotated[
            int | None,
            Query(
                ge=0, description="Revision that it was made from: later changes of others are not overruled."
            ),
        ] = None,
        dry_run: DryRun = False,
    ) -> dict[str, Any]:
        source = Source("document", document)
        revision, changes, _ = repository.replace("PUT /v1/fabric", source, base=base, dry_run=dry_run)
        return _done(revision, changes, dry_run)

    @app.get("/v1/log", summary="Who changed what, the newest last")
    def get_log(
        repository: Reading, newest: Annotated[int, Query(ge=1, description="At most.")] = 100
    ) -> list[dict[str, Any]]:
        return [entry.as_dict() for entry in repository.history(newest)]

    @app.get("/v1/log/{revision}", summary="What one revision changed")
    def get_revision(repository: Reading, revision: int) -> list[dict[str, Any]]:
        changes = repository.changes_of(revision)
        if not changes:
            raise HTTPException(404, f"there is no revision {revision}")
        return [change.as_dict() for change in changes]

    @app.get("/v1/status", summary="What the agents of the TEPs said last")
    def get_status(repository: Reading) -> dict[str, Any]:
        said = reports(repository)
        return {"revision": repository.revision, "teps": [report.as_dict() for report in said.values()]}

    @app.get("/v1/counters", summary="What TEPs counted, and rates, as their agents told last")
    def get_counters(repository: Reading) -> dict[str, Any]:
        return {tep: told.as_dict() for tep, told in counted(repository).items()}

    @app.get(
        "/v1/overview", summary="The fabric at a glance: TEPs, vSwitches with some of their VMs, tenants"
    )
    def get_overview(repository: Reading) -> dict[str, Any]:
        return overview(repository)

    @app.get("/v1/find", summary="VMs with a MAC address, an IP address or a name, and where they are")
    def get_found(
        repository: Reading, what: Annotated[str, Query(min_length=1, max_length=256)]
    ) -> list[dict[str, Any]]:
        return find(repository, what)

    @app.post(
        "/v1/vms/{name}/migrate",
        summary="A VM to another vSwitch, with its VLAN ID: first prepare, then move",
    )
    def migrate(
        repository: Writing,
        name: str,
        to: Annotated[str, Query(description="The vSwitch.")],
        step: Annotated[str, Query(pattern="^(prepare|move)$")],
        dry_run: DryRun = False,
    ) -> dict[str, Any]:
        migration = Migration(repository, name, to)
        action = f"POST /v1/vms/{name}/migrate?to={to}&step={step}"
        refusal = why_no_room(repository, migration)
        if refusal:
            raise HTTPException(409, refusal)
        if step == "prepare":
            revision, changes, _ = migration.prepare(action, dry_run=dry_run)
            return _done(revision, changes, dry_run)
        if migration.blockers():
            raise HTTPException(409, f"a VM at '{to}' has its VLAN ID: prepare first")
        missing = what_is_missing(repository, migration.tep, to)
        if missing:
            raise HTTPException(409, f"{missing}; try again when it is well")
        revision, changes, _ = migration.move(action, dry_run=dry_run)
        return _done(revision, changes, dry_run)

    @app.get("/v1/{kind}", summary="All objects of a kind")
    def get_objects(repository: Reading, kind: Kind) -> dict[str, Any]:
        given = allocated(repository.allocations())
        return {
            key.name: {"revision": stored.revision, "spec": stored.spec, "allocated": given.get(key, {})}
            for key, stored in repository.objects(kind).items()
        }

    @app.get("/v1/{kind}/{name:path}", summary="One object; rules are named FROM/TO")
    def get_object(repository: Reading, kind: Kind, name: str) -> dict[str, Any]:
        key = Key(kind, name)
        stored = repository.get(key)
        if stored is None:
            raise HTTPException(404, f"there is no {key.title}")
        given = allocated(repository.allocations([key]))
        return {"revision": stored.revision, "spec": stored.spec, "allocated": given.get(key, {})}

    @app.put("/v1/{kind}/{name:path}", summary="Add or change an object")
    def put_object(
        repository: Writing, kind: Kind, name: str, spec: Spec, dry_run: DryRun = False
    ) -> dict[str, Any]:
        wanted = {} if spec is None else spec
        return _edit(repository, f"PUT /v1/{kind}/{name}", {Key(kind, name): wanted}, dry_run)

    @app.delete("/v1/{kind}/{name:path}", summary="Remove an object")
    def delete_object(repository: Writing, kind: Kind, name: str, dry_run: DryRun = False) -> dict[str, Any]:
        key = Key(kind, name)
        if repository.get(key) is None:
            raise HTTPException(404, f"there is no {key.title}")
        return _edit(repository, f"DELETE /v1/{kind}/{name}", {key: None}, dry_run)

    add_page(app)
    return app


def _edit(repository: Repository, action: str, edits: dict[Key, Any], dry_run: bool) -> dict[str, Any]:
    revision, changes, _ = repository.edit(action, lambda get: edits, dry_run=dry_run)
    return _done(revision, changes, dry_run)


def _done(revision: int, changes: list[Change], dry_run: bool) -> dict[str, Any]:
    return {"revision": revision, "stored": not dry_run, "changes": [change.as_dict() for change in changes]}

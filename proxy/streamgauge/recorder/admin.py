"""The admin server: what the recorder knows, over HTTP on a port of its own. It never answers on the port of the traffic.

Away from the loopback interface everything but ``/livez`` and ``/readyz`` needs the configured token.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from streamgauge.errors import CouldNotRun, UsageError
from streamgauge.recorder.ledger_query import MAX_UNDER_WAY, QUERY_SECONDS, Query, Questions, TooBusy
from streamgauge.recorder.openapi import document
from streamgauge.recorder.recording import Recording

OPEN_PATHS = frozenset({"/livez", "/readyz"})
"""Asked by orchestrators, which have no token; they tell nothing about traffic."""

_encode = msgspec.json.Encoder().encode


def listen(host: str, port: int) -> socket.socket:
    """A listening socket for the admin server. Raises ``CouldNotRun`` naming the address."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        raise CouldNotRun(
            f"the admin address {host}:{port} cannot be used ({error.strerror}): free it, or name another with --admin"
        ) from error


def make_app(recording: Recording, ledger_path: str, token: str | None, loopback: bool) -> web.Application:
    """The admin application. ``loopback``: only this machine can reach it, so that no ``token`` is needed."""
    app = web.Application(middlewares=[_guard(token, loopback)], client_max_size=1 << 16)
    questions = Questions(ledger_path)

    async def end(_app: web.Application) -> None:
        questions.close()

    app.on_shutdown.append(end)

    async def livez(_request: web.Request) -> web.Response:
        return _json({"status": "alive"})

    async def readyz(_request: web.Request) -> web.Response:
        health = recording.health()
        status = "not ready" if not health.ready else "degraded" if health.reasons else "ready"
        return _json({"status": status, "reasons": health.reasons}, 200 if health.ready else 503)

    async def summary(_request: web.Request) -> web.Response:
        return _json(recording.summary())

    async def exchanges(request: web.Request) -> web.Response:
        query = Query.parse(list(request.query.items()))
        return _json(await questions.exchanges(query))

    async def openapi(_request: web.Request) -> web.Response:
        return _json(document())

    app.add_routes(
        [
            web.get("/livez", livez),
            web.get("/readyz", readyz),
            web.get("/api/v1/summary", summary),
            web.get("/api/v1/exchanges", exchanges),
            web.get("/api/v1/openapi.json", openapi),
        ]
    )
    return app


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can connect to ``listener``."""
    if listener.family == socket.AF_UNIX:
        return True
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _guard(token: str | None, loopback: bool) -> Any:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = None if request.path in OPEN_PATHS else _refusal(request, token, loopback)
        if refusal is not None:
            return refusal
        try:
            return await handler(request)
        except UsageError as error:
            return _json({"error": str(error)}, 400)
        except TooBusy:
            return _json({"error": f"{MAX_UNDER_WAY} questions wait for the ledger already: ask later"}, 503, {"Retry-After": "1"})
        except TimeoutError:
            return _json({"error": f"the ledger did not answer within {QUERY_SECONDS:.0f} s: ask for less, such as since=1h"}, 504)
        except web.HTTPException as error:
            return _json({"error": error.reason}, error.status)

    return guard


def _refusal(request: web.Request, token: str | None, loopback: bool) -> web.Response | None:
    if loopback:
        # A web page may resolve its own name to this machine and then read along; it cannot choose what the browser calls us.
        if _names_this_machine(request.host):
            return None
        return _json({"error": "ask for this page by the address 127.0.0.1 or the name localhost"}, 403)
    if token is None:
        return _json({"error": "without an admin token only /livez and /readyz answer beyond this machine: configure one"}, 403)
    given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
    if hmac.compare_digest(given, b"Bearer " + token.encode()):
        return None
    return _json({"error": "this needs the admin token, as `Authorization: Bearer ...`"}, 401, {"WWW-Authenticate": "Bearer"})


def _names_this_machine(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    name = name.strip("[]").lower()
    if name in {"localhost", ""}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=_encode(value), status=status, content_type="application/json", headers=headers)

"""moto as STS on a real port; what it is asked is written down, and it can refuse."""

from __future__ import annotations

import io
import threading
from typing import Any
from urllib.parse import parse_qsl

from moto.sts.responses import TokenResponse
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

REFUSAL = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code>'
    "<Message>secret text of a service</Message></Error></ErrorResponse>"
)


class Sts:
    """``asked`` has the form fields of each question."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.refuse = False
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Silent)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def forget(self) -> None:
        """As new."""
        self.asked.clear()
        self.refuse = False

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start: Any) -> Any:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        self.asked.append(dict(parse_qsl(body.decode())))
        if self.refuse:
            return Response(REFUSAL, 403, content_type="text/xml")(environ, start)
        request = _Received(environ)
        status, headers, body = TokenResponse.dispatch(request, request.url, request.headers)
        return Response(body, status, headers)(environ, start)


class _Received(Request):
    """A request as moto's own server marks it."""

    from_wsgi_server = True

    @property
    def raw_path(self) -> str:
        """STS has one path."""
        return "/"


class _Silent(WSGIRequestHandler):
    """A test's output is its own."""

    def log(
        self,
        type: str,  # noqa: A002 - as werkzeug calls it
        message: str,
        *args: Any,
    ) -> None:
        """Nothing."""

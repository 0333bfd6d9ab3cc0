"""A small real server in the shapes of the places where AWS software finds its role: container endpoint, instance metadata, STS."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Answer = tuple[int, str]


class MetadataService:
    """Hands out credentials ``KEY-1``, ``KEY-2``, ... with a lifetime in seconds; ``refuse`` makes it answer like a denied caller."""

    def __init__(self, lifetime: float = 3600.0) -> None:
        self.lifetime = lifetime
        self.refuse = False
        self.given = 0
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._answer))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, method: str, path: str, body: str) -> Answer:
        self.asked.append(f"{method} {path} {body}".strip())
        if path == "/latest/api/token":
            return 200, "imds-token"
        if path == "/latest/meta-data/iam/security-credentials/":
            return 200, "the-role"
        if self.refuse:
            return 403, _STS_ERROR if "AssumeRole" in body else '{"code": "canary-in-an-answer"}'
        self.given += 1
        expires = (datetime.now(UTC) + timedelta(seconds=self.lifetime)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if "AssumeRole" in body:
            return 200, _STS.format(number=self.given, expires=expires)
        found = {"AccessKeyId": f"KEY-{self.given}", "SecretAccessKey": "canary-secret", "Token": "canary-token", "Expiration": expires}
        return 200, json.dumps({**found, "Code": "Success"})


_STS = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
<Credentials><AccessKeyId>KEY-{number}</AccessKeyId><SecretAccessKey>canary-secret</SecretAccessKey>
<SessionToken>canary-token</SessionToken><Expiration>{expires}</Expiration></Credentials>
<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn><AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""
_STS_ERROR = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code>
<Message>canary-in-an-answer</Message></Error></ErrorResponse>"""


def _handler(answer: Callable[[str, str, str], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            status, text = answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("content-length", str(len(text.encode())))
            self.send_header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_PUT = do_POST = _serve  # noqa: N815 - names that http.server looks for

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler

"""The matrix: callers x credentials x address forms x signing modes, and what is promised of each cell.

Every cell makes the same four calls: whole, streamed, throttled, and a stream that breaks off with the provider's error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tests.e2e.matrix import forms
from tests.e2e.matrix.callers import CALLERS, Caller, Credential
from tests.e2e.matrix.forms import FORMS, Form, Place

Mode = Literal["auto", "passthrough", "resign"]

MODES: tuple[Mode, ...] = ("auto", "passthrough", "resign")

KEPT, RESIGNED = "kept", "re-signed"
"""What becomes of the caller's authorization in a cell that works."""


@dataclass(frozen=True)
class Refusal:
    """Why a cell cannot work: ``by`` whom, the error's class or code, and how many of the four calls become rows."""

    reason: str
    by: Literal["caller", "proxy", "provider"]
    error: str
    rows: int = 0


TLS_ONLY = Refusal(
    "The SDK sends API keys only over https, and raises before any byte is sent.", "caller", "InvalidEndpointConfigurationError"
)
NOT_OVER_HTTP = Refusal("The SDK refuses `http://` for a host of AWS, and raises before any byte is sent.", "caller", "OpenAIError")
FOREIGN_HOST = Refusal(
    "The signature names the proxy as its host, and this mode keeps it: the provider refuses it.", "provider", "SignatureDoesNotMatch", 4
)
HTTP2 = Refusal(
    "The SDK's default handler speaks HTTP/2, which the proxy does not: give it `NodeHttpHandler`.", "proxy", "ERR_HTTP2_SESSION_ERROR", 4
)
TUNNEL = Refusal(
    "The `fetch` of Node.js asks every proxy for a tunnel (CONNECT), also for `http://`, and inside one the proxy expects TLS: name `https://`.",
    "proxy",
    "AI_APICallError",
)

REFUSALS = {"tls only": TLS_ONLY, "not over http": NOT_OVER_HTTP, "foreign host": FOREIGN_HOST, "http2": HTTP2, "tunnel": TUNNEL}
"""By the name that results have for them."""


@dataclass(frozen=True)
class Cell:
    """One combination."""

    name: str
    credential: Credential
    form: Form
    mode: Mode

    def __str__(self) -> str:
        return f"{self.name}, {self.credential}, {self.form}, {self.mode}"

    @property
    def caller(self) -> Caller:
        """Who calls."""
        return CALLERS[self.name]

    def environ(self, place: Place) -> dict[str, str]:
        """What the application is told, with the proxy at this place."""
        return self.caller.credentials()[self.credential] | forms.environ(self.caller, self.form, place)

    def refusal(self) -> str | None:
        """The name of what stands in the way, or ``None``."""
        if self.name == "aws-sdk-js http2":
            return "http2"
        if self.credential == "key" and self.caller.insists_on_tls and not forms.is_secure(self.form):
            return "tls only"
        if self.form == "forward proxy" and self.caller.refuses_aws_over_http:
            return "not over http"
        if self.form == "forward proxy" and self.caller.always_tunnels:
            return "tunnel"
        if self._foreign_host and self.mode == "passthrough":
            return "foreign host"
        return None

    @property
    def _foreign_host(self) -> bool:
        """Whether the caller signs for the proxy's own host."""
        return self.credential == "sigv4" and forms.is_base_url(self.form)

    def signing(self) -> str:
        """What becomes of the authorization if nothing stands in the way."""
        return RESIGNED if self.mode == "resign" or self._foreign_host else KEPT

    def expected(self) -> str:
        """The cell's result as it is saved."""
        refusal = self.refusal()
        return f"refused: {refusal}" if refusal else self.signing()


def _cells() -> Iterator[Cell]:
    for name, caller in CALLERS.items():
        for credential in caller.credentials():
            for form in FORMS:
                if forms.is_base_url(form) or caller.takes_a_proxy:
                    yield from (Cell(name, credential, form, mode) for mode in MODES)


CELLS = {str(cell): cell for cell in _cells()}
"""All of it, by its text."""


def by_way() -> dict[str, list[Cell]]:
    """The cells that differ only in the signing mode, by what they have in common."""
    ways: dict[str, list[Cell]] = {}
    for cell in CELLS.values():
        ways.setdefault(f"{cell.name}, {cell.credential}, {cell.form}", []).append(cell)
    return ways

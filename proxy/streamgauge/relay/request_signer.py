"""Whether a request keeps its caller's signature or gets the proxy's, and the signing itself."""

from __future__ import annotations

from streamgauge.authorization import Authorization
from streamgauge.targets import Target


class RequestSigner:
    def __init__(self, mode: str) -> None:
        self._mode = mode

    def resigns(self, authorization: Authorization | None, target: Target) -> bool:
        return False

    async def sign(self, method: str, target: Target, headers: list[tuple[bytes, bytes]], content: bytes) -> list[tuple[bytes, bytes]]:
        raise NotImplementedError

    def readiness(self) -> tuple[bool, str | None]:
        return True, None

    def close(self) -> None:
        pass

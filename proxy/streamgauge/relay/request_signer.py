"""Signing within the walk: decides, waits for the first credentials without blocking, hashes large bodies in a thread."""

from __future__ import annotations

import asyncio
import time

from streamgauge.authorization import Authorization
from streamgauge.errors import ProxyCredentials
from streamgauge.relay import sigv4
from streamgauge.relay.credentials import OwnCredentials
from streamgauge.relay.signing import SigningMode, decide
from streamgauge.targets import Target

IN_THREAD_BYTES = 65_536
"""Bodies up to here are hashed on the loop in under 0.2 ms; above, a thread does it."""

FIRST_WAIT_SECONDS = 5.0
"""How long the very first request waits for the role to be found: instance metadata answers within one."""


class RequestSigner:
    """One per worker."""

    def __init__(self, mode: SigningMode, *, early: bool = False) -> None:
        self._mode = mode
        self._credentials = OwnCredentials()
        if mode == "resign" or early:
            self._credentials.start()

    def resigns(self, authorization: Authorization | None, target: Target) -> bool:
        """See ``signing.decide``."""
        return decide(self._mode, authorization, target) == "resign"

    async def sign(self, method: str, target: Target, headers: sigv4.Headers, content: bytes) -> sigv4.Headers:
        """``headers`` signed with the proxy's role. Raises ``ProxyCredentials`` with the sentence for the caller."""
        own = self._credentials.current or await self._first()
        if target.region is None:
            raise ProxyCredentials("the request names no region to sign for: set targets.default_region")
        if len(content) > IN_THREAD_BYTES:
            digest = await asyncio.get_running_loop().run_in_executor(None, sigv4.payload_hash, content)
        else:
            digest = sigv4.payload_hash(content)
        amz_date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        return sigv4.sign(method, target.origin_path, headers, digest, own, target.region, target.signing_name, amz_date)

    async def _first(self) -> sigv4.Credentials:
        own = self._credentials
        if not own.started:
            own.start()
        if not own.looked.is_set():
            await asyncio.get_running_loop().run_in_executor(None, own.looked.wait, FIRST_WAIT_SECONDS)
        if own.current is None:
            raise ProxyCredentials(own.problem or "the AWS credentials are still being looked for: try again")
        return own.current

    def readiness(self) -> tuple[bool, str | None]:
        """Whether requests that need the proxy's role can be served, and what stands in the way."""
        own = self._credentials
        if not own.started or own.current is not None:
            return True, None
        return False, own.problem or "the AWS credentials are still being looked for"

    def close(self) -> None:
        """Stop looking."""
        self._credentials.stop()

"""Signing within the walk: decides, waits for the first credentials without blocking, hashes large bodies in a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from streamgauge.authorization import Authorization
from streamgauge.errors import ProxyCredentials
from streamgauge.relay import sigv4
from streamgauge.relay.credentials import OwnCredentials, given
from streamgauge.relay.signing import SigningMode, decide
from streamgauge.targets import Target

IN_THREAD_BYTES = 65_536
"""Bodies up to here are hashed on the loop in under 0.2 ms; above, a thread does it."""

FIRST_WAIT_SECONDS = 5.0
"""How long requests wait for the first look for the role: instance metadata answers within one."""

LOOKING = "the AWS credentials are still being looked for"


class RequestSigner:
    """One per worker. Looks for the proxy's role as soon as it is made where the role will be needed, else with the first request to sign.

    Where ``mode`` is ``auto`` it will be needed if somebody gave this process one (see ``credentials.given``), or if ``early`` says so.
    """

    # Why so early: whoever waited for botocore to be imported and to find a profile was the caller of the first request to sign, 135 to 236 ms.
    # Now the thread does it while the worker has nothing to do: 70 ms of processor and 8 MB (41 to 49 MB resident). Where nothing hints at a
    # role the 8 MB are saved and no metadata service is asked on behalf of requests that may never come.
    def __init__(self, mode: SigningMode, *, early: bool = False, credentials: OwnCredentials | None = None) -> None:
        self.mode = mode
        self._credentials = credentials or OwnCredentials()
        self._needed_at: float | None = None
        self._first_look: asyncio.Future[bool] | None = None
        if mode == "resign":
            self._need()
        elif mode == "auto" and (early or given()):
            self._credentials.start()

    def resigns(self, authorization: Authorization | None, target: Target, headers: Mapping[str, str]) -> bool:
        """See ``signing.decide``, which refuses what a web page may have sent."""
        return decide(self.mode, authorization, target, headers) == "resign"

    async def sign(
        self,
        method: str,
        target: Target,
        headers: sigv4.Headers,
        content: bytes,
        digest: str | None = None,
        credentials: sigv4.Credentials | None = None,
    ) -> sigv4.Headers:
        """``headers`` signed with ``credentials``, or else the proxy's role. ``digest`` is the content's SHA-256, if somebody has computed it.

        Raises ``ProxyCredentials`` with the sentence for the caller.
        """
        own = credentials or self._credentials.current or await self._first()
        if target.region is None:
            raise ProxyCredentials("the request names no region to sign for: set targets.default_region")
        if digest is None and len(content) > IN_THREAD_BYTES:
            digest = await asyncio.get_running_loop().run_in_executor(None, sigv4.payload_hash, content)
        elif digest is None:
            digest = sigv4.payload_hash(content)
        amz_date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        return sigv4.sign(method, target.origin_path, headers, digest, own, target.region, target.signing_name, amz_date)

    def _need(self) -> None:
        if self._needed_at is None:
            self._needed_at = time.monotonic()
        self._credentials.start()

    async def _first(self) -> sigv4.Credentials:
        own = self._credentials
        self._need()
        if not own.looked.is_set():
            if self._first_look is None:  # one thread waits for all: the others are there for names to be resolved and bodies to be hashed
                self._first_look = asyncio.get_running_loop().run_in_executor(None, own.looked.wait, FIRST_WAIT_SECONDS)
            await asyncio.shield(self._first_look)
        if own.current is None:
            raise ProxyCredentials(own.problem or f"{LOOKING}: try again")
        return own.current

    def readiness(self) -> tuple[bool, str | None]:
        """Whether requests that need the proxy's role can be served, and what stands in the way.

        Nothing does where no request has needed it yet, and while the first look is under way, for which requests wait.
        """
        own = self._credentials
        if self._needed_at is None or own.current is not None:
            return True, None
        if not own.looked.is_set() and time.monotonic() - self._needed_at < FIRST_WAIT_SECONDS:
            return True, None
        return False, own.problem or LOOKING

    def close(self) -> None:
        """Stop looking."""
        self._credentials.stop()

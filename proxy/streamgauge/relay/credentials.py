"""The proxy's own AWS credentials, found and refreshed in a thread: the event loop never waits for them.

botocore's default chain does the finding (environment, profile, SSO, web identity, container endpoint, instance metadata).
It is imported in that thread, on first use: a proxy that only passes requests through never loads it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Any

from streamgauge.relay.sigv4 import Credentials

LOOK_SECONDS = 15.0
"""How often the thread asks botocore, which refreshes temporary credentials by itself 15 minutes before they expire."""

RETRY_SECONDS = (1.0, 30.0)
"""First and longest pause while there is no usable role."""

FIX = (
    "give the proxy a role: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, a pod or task role, or an instance profile; "
    "or let callers keep their own signatures with relay.signing: passthrough"
)

_log = logging.getLogger("streamgauge.relay.credentials")


class OwnCredentials:
    """``current`` is a plain attribute: ``None`` until found. ``problem`` is the sentence to show while there is none."""

    def __init__(self) -> None:
        self.current: Credentials | None = None
        self.problem: str | None = None
        self.looked = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._found: Any = None

    def start(self) -> None:
        """Begin to look, once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="own-credentials", daemon=True)
            self._thread.start()

    @property
    def started(self) -> bool:
        """Whether anybody needed credentials yet."""
        return self._thread is not None

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def _run(self) -> None:
        pause = RETRY_SECONDS[0]
        while not self._stop.is_set():
            self._look()
            self.looked.set()
            if self.current is not None:
                pause = RETRY_SECONDS[0]
                self._stop.wait(LOOK_SECONDS)
            else:
                self._stop.wait(pause)
                pause = min(pause * 2, RETRY_SECONDS[1])

    def _look(self) -> None:
        try:
            self._found = self._found or _session().get_credentials()
            if self._found is None:
                self._fail("no AWS credentials were found in environment, profile, container or instance metadata")
                return
            frozen = self._found.get_frozen_credentials()
        except Exception as error:  # botocore raises dozens of kinds; their texts may quote a response, so only the kind is told
            self._found = None
            self._fail(f"the AWS credentials cannot be used ({type(error).__name__})")
            return
        if not frozen.access_key or not frozen.secret_key:
            self._fail("the AWS credentials found are empty")
            return
        self.problem = None
        self.current = Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    def _fail(self, what: str) -> None:
        self.current = None
        self.problem = f"{what}: {FIX}"


def _session() -> Any:
    """A botocore session that asks AWS itself, never the endpoint variables that point applications at this proxy."""
    import botocore.session

    session = botocore.session.Session()
    with contextlib.suppress(Exception):
        session.set_config_variable("ignore_configured_endpoint_urls", True)
    return session

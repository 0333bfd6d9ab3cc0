"""The proxy's own AWS credentials, found and refreshed in a thread: the event loop never waits for them.

botocore's default chain does the finding (environment, profile, SSO, web identity, container endpoint, instance metadata).
It is imported in that thread, when somebody needs it: a proxy that only passes requests through never loads it, and neither does one
with a plain pair of keys in its environment, which is the chain's first link and takes no library to read.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streamgauge.relay.sigv4 import Credentials

LOOK_SECONDS = 15.0
"""How often the thread asks botocore, which refreshes temporary credentials by itself 15 minutes before they expire."""

RETRY_SECONDS = (1.0, 30.0)
"""First and longest pause after a failure: a metadata service that starts with us is there in seconds, and must not be flooded later."""

FIX = (
    "give the proxy a role: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, a pod or task role, or an instance profile; "
    "or let callers keep their own signatures with relay.signing: passthrough"
)

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
TOKENS = ("AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN")
PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
"""Variables as botocore names them, the earlier one first."""

GIVEN = (
    *KEYS[:1],
    *PROFILES,
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Each of these variables is set by somebody who gave this process a role."""

TOLD = ("provider", "profile", "cred_var", "operation_name", "role_arn")
"""Arguments of botocore's errors that name a place to look at. Their texts are not told: some quote what a service answered."""

_WORD = re.compile(r"[\w.:/@+=,-]{1,128}")
_log = logging.getLogger("streamgauge.relay.credentials")


def own_session() -> Any:
    """A botocore session that asks AWS itself, never the endpoint variables that point applications at this proxy."""
    import botocore.session

    # botocore logs failed refreshes with a traceback that may quote what a metadata service answered; ``problem`` says it without.
    logging.getLogger("botocore").setLevel(logging.CRITICAL)
    session = botocore.session.Session()
    session.set_config_variable("ignore_configured_endpoint_urls", True)
    return session


def given() -> bool:
    """Whether somebody visibly gave this process a role: by a variable or a file. Instance metadata is not visible without asking a network."""
    return any(os.environ.get(name) for name in GIVEN) or any(_file_times())


def plain_pair() -> Credentials | None:
    """The pair of keys in the environment, where that is all botocore would look at: no profile beside it, no moment of expiry."""
    access_key, secret_key = (os.environ.get(name, "") for name in KEYS)
    if not access_key or not secret_key or any(os.environ.get(name) for name in (*PROFILES, "AWS_CREDENTIAL_EXPIRATION")):
        return None
    return Credentials(access_key, secret_key, next((os.environ[name] for name in TOKENS if os.environ.get(name)), None))


class OwnCredentials:
    """``current`` is a plain attribute: ``None`` while there are none that can be used. ``problem`` is the sentence to show then.
    ``method`` is how they were found, in botocore's words.

    ``looked`` is set when the first look is over, whatever it brought. That none were found is not logged here: it matters only to who needs some.

    A failed refresh leaves ``current`` in place until it expires. ``make_session`` gives the botocore session to look with.
    """

    def __init__(
        self,
        make_session: Callable[[], Any] = own_session,
        look_seconds: float = LOOK_SECONDS,
        retry_seconds: tuple[float, float] = RETRY_SECONDS,
    ) -> None:
        self.current: Credentials | None = None
        self.problem: str | None = None
        self.method: str | None = None
        self.looked = threading.Event()
        self._make_session = make_session
        self._look_seconds = look_seconds
        self._retry_seconds = retry_seconds
        self._stop = threading.Event()
        self._started = False
        self._thread: threading.Thread | None = None
        self._found: Any = None
        self._files: tuple[float, ...] = ()
        self._expires: datetime | None = None

    def start(self) -> None:
        """Begin to look, once. A plain pair of keys in the environment is there at once, and for good: it takes no thread."""
        if self._started:
            return
        self._started = True
        if (pair := plain_pair()) is not None:
            self._use(pair, "env")
            self.looked.set()
        else:
            self._thread = threading.Thread(target=self._run, name="own-credentials", daemon=True)
            self._thread.start()

    @property
    def expires(self) -> datetime | None:
        """When those in use end, as far as their source says."""
        return self._expires

    @property
    def started(self) -> bool:
        """Whether anybody needed credentials yet."""
        return self._started

    def stop(self) -> None:
        """Look no more, and let go whoever waits for the first look."""
        self._stop.set()
        self.looked.set()

    def _run(self) -> None:
        retry = self._retry_seconds[0]
        while not self._stop.is_set():
            self._look()
            self.looked.set()
            if self.problem is None:
                retry = self._retry_seconds[0]
                self._stop.wait(self._soon(self._look_seconds))
            else:
                self._stop.wait(self._soon(retry))
                retry = min(retry * 2, self._retry_seconds[1])

    def _soon(self, pause: float) -> float:
        """``pause``, but half of what is left of credentials that expire sooner, and not busily."""
        if self.current is None or self._expires is None:
            return pause
        return max(min(pause, (self._expires - datetime.now(UTC)).total_seconds() / 2), min(pause, 0.1))

    def _look(self) -> None:
        try:
            files = _file_times()
            if self._found is None or files != self._files:  # a rotated key in a file is seen only by a new session
                session = self._make_session()
                self._found, self._files = session.get_credentials(), files
                if self._found is None:
                    self._fail(f"no AWS credentials were found (tried {', '.join(_tried(session))})")
                    return
            frozen = self._found.get_frozen_credentials()
            if not frozen.access_key or not frozen.secret_key:
                self._found = None
                self._fail("the AWS credentials that were found are empty")
                return
            self._expires = getattr(self._found, "_expiry_time", None)  # botocore has no public name for it
            self._use(Credentials(frozen.access_key, frozen.secret_key, frozen.token), getattr(self._found, "method", "the default chain"))
        except Exception as error:  # botocore raises dozens of kinds, none of which may end this thread
            self._found = None
            self._fail(f"the AWS credentials cannot be used ({error_kind(error)})")

    def _use(self, fresh: Credentials, method: str) -> None:
        if self.problem is not None or self.current is None:
            _log.info("AWS credentials found by %s", method)
        if fresh != self.current:  # keeping the object keeps what was derived from it
            self.current = fresh
        self.method = method
        self.problem = None

    def _fail(self, what: str) -> None:
        if self.current is not None and (self._expires is None or self._expires <= datetime.now(UTC)):
            self.current = None
        sentence = f"{what}: {FIX}"
        if sentence != self.problem and self.current is not None:
            _log.warning("%s; those in use are still valid", sentence)
        self.problem = sentence


def _file_times() -> tuple[float, ...]:
    """When the credential and configuration files last changed; 0 for one that is not there."""
    names = (
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
        os.environ.get("AWS_CONFIG_FILE", "~/.aws/config"),
    )
    return tuple(_changed_at(Path(name)) for name in names)


def _changed_at(path: Path) -> float:
    try:
        return path.expanduser().stat().st_mtime
    except (OSError, RuntimeError):  # there may be no home either
        return 0.0


def _tried(session: Any) -> list[str]:
    """The providers of the chain as botocore names them."""
    return [str(provider.METHOD) for provider in session.get_component("credential_provider").providers]


def error_kind(error: Exception) -> str:
    """An error's class, the AWS code if a service answered, and the places it names; never its text."""
    response = getattr(error, "response", None)
    named = {**getattr(error, "kwargs", {}), "operation_name": getattr(error, "operation_name", None)}
    words = [f"{key} {named[key]}" for key in TOLD if isinstance(named.get(key), str) and _WORD.fullmatch(named[key])]
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    if isinstance(code, str) and _WORD.fullmatch(code):
        words.insert(0, code)
    return ": ".join([type(error).__name__, ", ".join(words)] if words else [type(error).__name__])

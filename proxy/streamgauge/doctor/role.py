"""The proxy's own AWS role: whether it can be found as the relay finds it, and when it expires. Nothing of it is ever printed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from streamgauge.doctor.finding import Finding, finding, note, ok
from streamgauge.relay.credentials import OwnCredentials

LOOK_SECONDS = 15.0
"""Instance metadata is asked twice with a second's patience each, an SSO or STS endpoint answers in a few; beyond that the way there is blocked."""

SOON = timedelta(minutes=10)
"""botocore renews temporary credentials 15 minutes before they expire; what is nearer to its end than this was not renewed."""


def look_at_role(signing: str, environ: Mapping[str, str], seconds: float = LOOK_SECONDS) -> Finding:
    """Find the role; takes at most ``seconds``. ``signing`` is the setting ``relay.signing``."""
    if signing == "passthrough":
        return ok("credentials", "the proxy needs no role of its own (relay.signing: passthrough)")
    own = OwnCredentials()
    own.start()
    try:
        if not own.looked.wait(seconds):
            return finding("credentials", f"no answer about AWS credentials within {seconds:g} s", _BLOCKED)
        if own.current is None:
            what, _, fix = (own.problem or "no AWS credentials were found").partition(": give ")
            return finding("credentials", what, f"give {fix}" if fix else _BLOCKED)
        temporary_by_hand = own.expires is None and any(environ.get(name) for name in ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"))
        return _validity(own.method or "the default chain", own.expires, temporary_by_hand=temporary_by_hand)
    finally:
        own.stop()


def _validity(method: str, expires: datetime | None, *, temporary_by_hand: bool) -> Finding:
    found = f"AWS credentials found by {method}"
    if temporary_by_hand:
        return note("credentials", f"{found}; they are temporary, and nothing says when they expire", _BY_HAND)
    if expires is None:
        return ok("credentials", f"{found}; they do not expire")
    left = expires - datetime.now(UTC)
    if left <= SOON:
        state = "have expired" if left <= timedelta() else f"expire in {minutes(left)}"
        return finding(
            "credentials", f"{found}; they {state} and were not renewed", "renew them at their source, for example by aws sso login"
        )
    return ok("credentials", f"{found}; they expire in {minutes(left)} and are renewed before")


def minutes(left: timedelta) -> str:
    """A time span as people say it."""
    whole = max(0, round(left.total_seconds() / 60))
    return f"{whole} min" if whole < 120 else f"{whole // 60} h"


_BLOCKED = (
    "look whether the metadata, SSO or STS endpoint can be reached from here, or set AWS_EC2_METADATA_DISABLED=true where there is none"
)
_BY_HAND = "prefer a profile, a pod or task role or an instance profile, which are renewed"

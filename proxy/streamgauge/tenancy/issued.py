"""Issued credentials: which there are, whose, and until when; how they are issued, rotated and revoked. No secret is ever in here.

Knows: the file's shape, what may happen to it. Must not know: where the file is, how secrets are made, the time (an argument, ``YYYY-MM-DDTHH:MM:SSZ``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from streamgauge.errors import UsageError
from streamgauge.tenancy.claims import NAME, Claim, Names

CredentialKind = Literal["key_pair", "token"]

KEY_PREFIX = "SGAK"
"""How our access key ids begin. AWS's begin with A, so that one of ours that nobody knows is told from one of AWS's."""

TOKEN_PREFIX = "sgt_"  # noqa: S105 - what all tokens begin with is no secret
VALID_AT_ONCE = 2
"""Of one tenant and kind: the one in use and the one that replaces it."""

MOST = 100_000
"""Credentials in one file. It is read whole when it changes."""

VERSION = 1
_ROLE = re.compile(r"arn:[a-z0-9-]+:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}")


class TenantEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One tenant. ``role_arn``: assumed for its calls, with ``session_tags``. ``max_in_flight``, ``max_per_minute``: requests, in each worker."""

    name: str
    team: str | None = None
    app: str | None = None
    cost_centre: str | None = None
    role_arn: str | None = None
    session_tags: dict[str, str] = {}
    max_in_flight: int | None = None
    max_per_minute: int | None = None


class Credential(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One credential. ``until`` and ``revoked`` are moments; ``sha256`` is that of a whole token, whose 256 random bits need no slower hash."""

    id: str
    tenant: str
    kind: CredentialKind
    created: str
    until: str | None = None
    revoked: str | None = None
    sha256: str | None = None

    def valid(self, now: str) -> bool:
        """Whether it opens anything at ``now``."""
        return self.revoked is None and (self.until is None or now < self.until)

    def state(self, now: str) -> str:
        """``valid``, ``valid until …``, ``expired …`` or ``revoked …``."""
        if self.revoked is not None:
            return f"revoked {self.revoked}"
        if self.until is None:
            return "valid"
        return f"valid until {self.until}" if now < self.until else f"expired {self.until}"


class TenantFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    version: int = VERSION
    tenants: tuple[TenantEntry, ...] = ()
    credentials: tuple[Credential, ...] = ()

    def tenant(self, name: str) -> TenantEntry | None:
        """The tenant of that name."""
        return next((entry for entry in self.tenants if entry.name == name), None)


class Issued:
    """The file and the secrets of its key pairs, ready to ask."""

    def __init__(self, file: TenantFile, secrets: dict[str, str]) -> None:
        self._tenants = {entry.name: entry for entry in file.tenants}
        self._by_id = {credential.id: credential for credential in file.credentials}
        self._by_hash = {credential.sha256: credential for credential in file.credentials if credential.sha256 is not None}
        self._secrets = secrets

    def key_pair(self, key_id: str) -> Credential | None:
        """The key pair of an access key id, whatever its state."""
        found = self._by_id.get(key_id)
        return found if found is not None and found.kind == "key_pair" else None

    def secret(self, key_id: str) -> str | None:
        """Its secret; ``None`` where the secrets file does not have it."""
        return self._secrets.get(key_id)

    def token(self, sha256: str) -> Credential | None:
        """The token with that hash, whatever its state."""
        return self._by_hash.get(sha256)

    def tenant(self, name: str | None) -> TenantEntry | None:
        """The entry of a tenant."""
        return self._tenants.get(name) if name is not None else None

    def claim(self, credential: Credential) -> Claim:
        """What a verified credential says."""
        entry = self._tenants.get(credential.tenant) or TenantEntry(credential.tenant)
        return Claim(credential.kind, "verified", Names(entry.name, entry.team, entry.app), entry.cost_centre)


def read_tenants(raw: bytes, where: str) -> TenantFile:
    """The file's content. Raises ``UsageError`` naming the file and what is wrong in it."""
    try:
        file = msgspec.json.decode(raw, type=TenantFile)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {error}; it is written by `streamgauge tenants`, and better not by hand") from None
    except (msgspec.DecodeError, UnicodeError):
        raise UsageError(f"{where}: is no JSON; it is written by `streamgauge tenants`: restore it, or name another file") from None
    if file.version != VERSION:
        raise UsageError(f"{where}: has version {file.version}, this streamgauge knows {VERSION}")
    for what in _mistakes(file):
        raise UsageError(f"{where}: {what}")
    return file


def _mistakes(file: TenantFile) -> Iterable[str]:
    if len(file.credentials) > MOST:
        yield f"has more than {MOST} credentials"
    known = {entry.name for entry in file.tenants}
    for entry in file.tenants:
        yield from entry_mistakes(entry)
    if len(known) != len(file.tenants):
        yield "has a tenant twice"
    if len({credential.id for credential in file.credentials}) != len(file.credentials):
        yield "has a credential twice"
    for credential in file.credentials:
        if credential.tenant not in known:
            yield f"credential {credential.id[:40]} is of tenant {credential.tenant[:40]!r}, which is not in the file"


def entry_mistakes(entry: TenantEntry) -> Iterable[str]:
    """What cannot be in an entry, each as a sentence."""
    for what, name in (("tenant", entry.name), ("team", entry.team), ("app", entry.app), ("cost centre", entry.cost_centre)):
        if name is not None and not NAME.fullmatch(name):
            yield f"{what} {name[:40]!r} is not a name: letters, digits and _.:/+=@-, at most 128"
    if entry.role_arn is not None and not _ROLE.fullmatch(entry.role_arn):
        yield f"tenant {entry.name}: {entry.role_arn[:80]!r} is not the ARN of a role, such as arn:aws:iam::123456789012:role/team-a"
    if len(entry.session_tags) > 45:  # AWS takes 50, and some are ours
        yield f"tenant {entry.name}: more than 45 session tags"
    for limit in (entry.max_in_flight, entry.max_per_minute):
        if limit is not None and limit < 1:
            yield f"tenant {entry.name}: a limit must be above zero"


def write_tenants(file: TenantFile) -> bytes:
    """The file's content, one line for each tenant and credential."""
    return msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"


def add(file: TenantFile, entry: TenantEntry) -> TenantFile:
    """With a new tenant. Raises ``UsageError``."""
    if file.tenant(entry.name) is not None:
        raise UsageError(
            f"tenant {entry.name} is there already: `streamgauge tenants rotate {entry.name}` gives it another key, `streamgauge tenants list` shows it"
        )
    for what in entry_mistakes(entry):
        raise UsageError(what)
    return msgspec.structs.replace(file, tenants=(*file.tenants, entry))


def issue(file: TenantFile, credential: Credential) -> TenantFile:
    """With a new credential of a tenant that is there. Raises ``UsageError`` where two are valid already."""
    entry = file.tenant(credential.tenant)
    if entry is None:
        raise UsageError(unknown(file, credential.tenant))
    valid = [one for one in of(file, entry.name, credential.kind) if one.valid(credential.created)]
    if len(valid) >= VALID_AT_ONCE:
        ids = " and ".join(one.id for one in valid)
        raise UsageError(f"tenant {entry.name}: {ids} are both valid; revoke one first, or wait until it has ended")
    return msgspec.structs.replace(file, credentials=(*file.credentials, credential))


def rotate(file: TenantFile, credential: Credential, until: str) -> TenantFile:
    """With a new credential, those valid before it ending at ``until``. Raises ``UsageError``."""
    before = [one.id for one in of(file, credential.tenant, credential.kind) if one.valid(credential.created)]
    if file.tenant(credential.tenant) is not None and not before:
        raise UsageError(
            f"tenant {credential.tenant} has no valid {credential.kind.replace('_', ' ')} to rotate: "
            f"`streamgauge tenants add {credential.tenant} --kind {credential.kind.replace('_', '-')}` issues one"
        )
    added = issue(file, credential)
    return _changed(added, {*before}, lambda one: msgspec.structs.replace(one, until=min(until, one.until or until)))


def revoke(file: TenantFile, which: str, now: str) -> tuple[TenantFile, tuple[str, ...]]:
    """Without the credential of that id, or all of that tenant; and the ids. Raises ``UsageError``."""
    ids = tuple(one.id for one in file.credentials if which in (one.id, one.tenant) and one.revoked is None)
    if not ids:
        known = [one for one in file.credentials if which in (one.id, one.tenant)]
        raise UsageError(f"{which}: is revoked already" if known else unknown(file, which))
    return _changed(file, {*ids}, lambda one: msgspec.structs.replace(one, revoked=now)), ids


def unknown(file: TenantFile, name: str) -> str:
    """The sentence about a tenant or credential that is not there."""
    near = difflib.get_close_matches(name, [entry.name for entry in file.tenants] + [one.id for one in file.credentials], 1)
    return f"{name[:80]!r} is no tenant and no credential in this file" + (
        f"; did you mean {near[0]}?" if near else ": `streamgauge tenants list` shows them"
    )


def of(file: TenantFile, tenant: str, kind: CredentialKind) -> list[Credential]:
    """The credentials of one kind of a tenant, the oldest first."""
    return [one for one in file.credentials if one.tenant == tenant and one.kind == kind]


def _changed(file: TenantFile, ids: set[str], change: Callable[[Credential], Credential]) -> TenantFile:
    return msgspec.structs.replace(file, credentials=tuple(change(one) if one.id in ids else one for one in file.credentials))

"""The files of tenants on disk: read whole, written whole under a lock, secrets apart and for this user alone."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from streamgauge.errors import CouldNotRun, UsageError
from streamgauge.tenancy.issued import KEY_PREFIX, TOKEN_PREFIX, Issued, TenantFile, read_tenants, write_tenants
from streamgauge.tenancy.org_mapping import OrgMapping, read_mapping
from streamgauge.tenancy.tenant_settings import TenantSettings

MAX_BYTES = 64 << 20
"""A hundred thousand credentials have some 20 MB."""

LOCK_SECONDS = 10.0
"""What another `streamgauge tenants` gets to finish; it takes milliseconds."""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Files(msgspec.Struct, frozen=True):
    """What the files said when they were read."""

    issued: Issued
    mapping: OrgMapping


def read_files(settings: TenantSettings) -> Files:
    """All of them. Raises ``UsageError`` naming setting, file and fix."""
    file, known = TenantFile(), {}
    if settings.file is not None:
        file = read_tenants(_content(settings.file, "tenants.file", "`streamgauge tenants add NAME` makes it"), settings.file)
    if settings.secrets_file is not None:
        known = read_secrets(settings.secrets_file, "tenants.secrets_file")
    elif any(one.kind == "key_pair" and one.revoked is None for one in file.credentials):
        raise UsageError(f"tenants.secrets_file: not set, but {settings.file} has key pairs; name the file with their secrets")
    mapping = OrgMapping(())
    if settings.mapping_file is not None:
        raw = _content(settings.mapping_file, "tenants.mapping_file", "name a CSV file")
        mapping = read_mapping(raw.decode("utf-8", "replace"), settings.mapping_file)
    return Files(Issued(file, known), mapping)


def read_secrets(path: str, key: str) -> dict[str, str]:
    """Secrets by access key id. ``key`` is the setting that named the file. Raises ``UsageError``, which quotes nothing of the content."""
    try:
        return msgspec.json.decode(_content(path, key, "`streamgauge tenants add NAME` makes it"), type=dict[str, str])
    except (msgspec.DecodeError, UnicodeError):
        raise UsageError(f"{key}: {path} is no JSON table of texts, as `streamgauge tenants` writes it") from None


def stamps(settings: TenantSettings) -> tuple[tuple[int, int], ...]:
    """When the files last changed, and which they were: what is compared to see that they have to be read again."""
    found = []
    for path in (settings.file, settings.secrets_file, settings.mapping_file):
        try:
            status = Path(path).expanduser().stat() if path is not None else None
        except OSError:
            status = None
        found.append((status.st_mtime_ns, status.st_ino) if status is not None else (0, 0))
    return tuple(found)


def _content(path: str, key: str, fix: str) -> bytes:
    try:
        with Path(path).expanduser().open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{key}: {path} cannot be read ({error.strerror}); {fix}") from None
    if len(content) > MAX_BYTES:
        raise UsageError(f"{key}: {path} has more than {MAX_BYTES >> 20} MiB: is it the right file?")
    return content


class TenantStore:
    """The two files that `streamgauge tenants` writes."""

    def __init__(self, file: Path, secrets_file: Path) -> None:
        self.file = file.expanduser().absolute()
        self.secrets_file = secrets_file.expanduser().absolute()
        if self.file == self.secrets_file:
            raise UsageError(f"{file}: the secrets need a file of their own, which nobody else may read")

    def read(self) -> TenantFile:
        """What is there; an empty file where there is none. Raises ``UsageError``."""
        if not self.file.exists():
            return TenantFile()
        return read_tenants(_content(str(self.file), "--file", "name another"), str(self.file))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes the files meanwhile. Raises ``CouldNotRun``."""
        path = self.file.with_name(self.file.name + ".lock")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CouldNotRun(f"{path} cannot be made ({error.strerror})") from error
        try:
            _wait_for(lock, path)
            yield
        finally:
            os.close(lock)

    def write(self, file: TenantFile) -> None:
        """The file, whole or not at all. Raises ``CouldNotRun``."""
        _replace(self.file, write_tenants(file), 0o644)

    def keep_secret(self, key_id: str, secret: str) -> None:
        """One more secret. Raises ``UsageError`` where others could read it, ``CouldNotRun``."""
        known = self._secrets()
        known[key_id] = secret
        _replace(self.secrets_file, msgspec.json.format(msgspec.json.encode(known), indent=1) + b"\n", 0o600)

    def forget_secrets(self, key_ids: tuple[str, ...]) -> None:
        """Without the secrets of keys that open nothing any more."""
        known = self._secrets()
        left = {key_id: secret for key_id, secret in known.items() if key_id not in key_ids}
        if left != known:
            _replace(self.secrets_file, msgspec.json.format(msgspec.json.encode(left), indent=1) + b"\n", 0o600)

    def _secrets(self) -> dict[str, str]:
        if not self.secrets_file.exists():
            return {}
        mode = stat.S_IMODE(self.secrets_file.stat().st_mode)
        if mode & 0o077:
            raise UsageError(
                f"{self.secrets_file} can be read by others (mode {mode:04o}): chmod 0600 {self.secrets_file}, and rotate what is in it"
            )
        return read_secrets(str(self.secrets_file), "--secrets-file")


def _wait_for(lock: int, path: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise CouldNotRun(f"{path} is locked: another `streamgauge tenants` is at work") from None
            time.sleep(0.01)


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Write beside, then rename: who reads meets the old content or the new one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
        beside = Path(name)
        try:
            with os.fdopen(handle, "wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
            beside.chmod(mode)
            beside.replace(path)
        except BaseException:
            beside.unlink()
            raise
    except OSError as error:
        raise CouldNotRun(f"{path} cannot be written ({error.strerror})") from error


def new_key_pair() -> tuple[str, str]:
    """(access key id, secret) as SDKs take them: 80 and 240 random bits."""
    return KEY_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(16)), secrets.token_urlsafe(30)


def new_token() -> tuple[str, str, str]:
    """(id, token, hash): the id is its beginning, behind it are 256 random bits."""
    token_id = TOKEN_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(8)).lower()
    token = f"{token_id}_{secrets.token_urlsafe(32)}"
    return token_id, token, hashlib.sha256(token.encode()).hexdigest()

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from streamgauge.errors import CouldNotRun, UsageError
from streamgauge.sinks.postgres_access import (
    SharedLedgerSettings,
    is_postgres,
    open_postgres,
    refuse_unusable_address,
    shown,
    told,
)
from tests.postgres import PASSWORD, Database

SECRET = "hush-hush"


@pytest.mark.parametrize("address", ["postgresql://h/d", "postgres://u@h:5432/d"])
def test_an_address_is_told_from_a_path(address: str) -> None:
    assert is_postgres(address)
    assert not is_postgres("ledger.db")
    assert not is_postgres(Path("postgresql://h/d"))


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (f"postgresql://u:{SECRET}@db.example:5432/ledger?sslmode=require&password={SECRET}", "postgresql://db.example:5432/ledger"),
        (f"postgresql://u:{SECRET}@[::1]/ledger", "postgresql://[::1]/ledger"),
        (f"postgresql:///ledger?host=/run/postgresql&password={SECRET}", "postgresql:///run/postgresql/ledger"),
        (f"postgresql://u:{SECRET}@[::1/ledger", "postgresql://…"),
    ],
)
def test_an_address_is_shown_without_user_and_password(address: str, name: str) -> None:
    assert shown(address) == name
    assert SECRET not in repr(SharedLedgerSettings(address))


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("mysql://h/d", "no address of PostgreSQL"),
        ("postgresql://h:port/d", "cannot be read"),
        ("postgresql://h", "names no database"),
        (f"postgresql://u:{SECRET}@h/d", "holds a password"),
        (f"postgresql://u@h/d?password={SECRET}", "holds a password"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_being_quoted(address: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as refused:
        refuse_unusable_address(address)
    assert SECRET not in str(refused.value)
    refuse_unusable_address("postgresql://u@h:5432/d?sslmode=verify-full")


def test_the_password_comes_from_its_file(database: Database, tmp_path: Path) -> None:
    engine = open_postgres(database.url, read_only=False, password_file=database.password_file)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    engine.dispose()
    for name, content in (("empty", ""), ("none", None)):
        if content is not None:
            (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(CouldNotRun, match="password file"):
            open_postgres(database.url, read_only=False, password_file=str(tmp_path / name))


def test_the_password_comes_from_the_environment(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    engine = open_postgres(database.url, read_only=True)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    engine.dispose()


def test_who_only_reads_cannot_write(database: Database) -> None:
    engine = open_postgres(database.open_url, read_only=True)
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="read-only"):
        connection.exec_driver_sql("CREATE TABLE t (a int)")
    engine.dispose()


def test_what_the_driver_says_is_told_without_statement_values_and_password(database: Database) -> None:
    engine = open_postgres(database.open_url.replace(PASSWORD, SECRET), read_only=False)
    with pytest.raises(sa.exc.OperationalError) as refused:
        engine.connect()
    assert "password authentication failed" in told(refused.value)
    assert SECRET not in told(refused.value)
    engine.dispose()
    engine = open_postgres(database.open_url, read_only=False)
    with engine.connect() as connection, pytest.raises(sa.exc.DataError) as wrong:
        connection.execute(sa.text("SELECT CAST(:given AS bigint)"), {"given": f"{SECRET}x"})
    assert "SELECT" not in told(wrong.value)
    engine.dispose()


def test_what_is_no_address_is_not_quoted() -> None:
    with pytest.raises(UsageError) as refused:
        open_postgres(f"postgresql://u:{SECRET}@h:port/d", read_only=True)
    assert SECRET not in str(refused.value)

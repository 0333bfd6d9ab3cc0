"""A mistake shows enough of a value to find it, and nothing of a secret."""

from __future__ import annotations

import re

import pytest

from streamgauge.config.keys import every_key
from streamgauge.config.mistakes import SECRET_WORDS, Mistake, Origin, SettingsMistaken, is_secret, shown


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("workers", 0, "0"),
        ("admin", "x", "'x'"),
        ("admin_token", "hunter2", ""),
        ("relay.some_password", 5, ""),
        ("targets", {"a": "hunter2"}, ""),
        ("listen", ["hunter2"], ""),
        ("ledger", "postgresql://u:hunter2@h/d", "'postgresql://***@h/d'"),
        ("ledger", "u:hunter2@h", "'***@h'"),
        ("listen", "http://user:hun\"t'er2@h:1", "'http://***@h:1'"),
    ],
)
def test_values_are_shown_but_secrets(key: str, value: object, expected: str) -> None:
    assert shown(key, value) == expected


def test_a_long_value_is_cut_and_before_that_its_password_is_left_out() -> None:
    assert len(shown("admin", "x" * 10_000)) <= 100
    for long in (
        f"http://user:{'p' * 20}hunter2{'p' * 20}@{'h' * 90}:1",
        f"http://user:hunter2{'p' * 500}@h",
        f"http://{'u' * 500}:hunter2@h",
    ):
        assert "hunter2" not in shown("listen", long)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("targets.upstreams.https://user:hun.ter2@gw.corp", "targets.upstreams.https://***@gw.corp"),
        ("targets.upstreams.https://user:hunter2", "targets.upstreams.https://user:***"),
        ("tenants.aliases.ann@corp.example", "tenants.aliases.***@corp.example"),
        ("relay.limits.max_connections", "relay.limits.max_connections"),
    ],
)
def test_a_url_where_a_name_belongs_is_shown_without_its_password(key: str, expected: str) -> None:
    assert Mistake(key, "unknown key").text(None) == f"{expected}: unknown key"


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, "k: 1 - is wrong"),
        (Origin("default"), "k: 1 - is wrong"),
        (Origin("file", line=3), "k: 1 - is wrong (line 3)"),
        (Origin("environment", "STREAMGAUGE_K"), "k: 1 - is wrong ($STREAMGAUGE_K)"),
        (Origin("option"), "k: 1 - is wrong (an option)"),
    ],
)
def test_a_line_says_where_the_value_came_from(origin: Origin | None, expected: str) -> None:
    assert Mistake("k", "is wrong", "1").text(origin) == expected


def test_a_key_that_is_no_word_cannot_fill_or_move_a_terminal() -> None:
    assert Mistake("a\x1b[2J\nb", "unknown key").text(None) == "'a\\x1b[2J\\nb': unknown key"
    assert len(Mistake("k" * 10_000, "unknown key").text(None)) < 200


def test_the_error_counts_its_lines_and_is_a_matter_of_usage() -> None:
    error = SettingsMistaken(" in f", ["a", "b"])
    assert (error.exit_code, error.lines, str(error)) == (2, ("a", "b"), "2 mistake(s) in the settings in f:\n  a\n  b")


def test_keys_that_sound_secret_are_known_as_secret() -> None:
    sounding = re.compile(r"token|secret|passw|credential(?!s$)|private|(?<!access_)key$")
    assert [
        key.name for key in every_key() if sounding.search(key.name) and not is_secret(key.name) and not key.name.endswith("_file")
    ] == []
    assert SECRET_WORDS

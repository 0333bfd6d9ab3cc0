"""A settings file that cannot be read is refused in one sentence that names it, says what to do, and quotes nothing of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamgauge.config.yaml_file import MAX_FILE_BYTES, read_file, read_text
from streamgauge.errors import UsageError

HERE = Path("s.yaml")


def refusal(content: bytes) -> str:
    with pytest.raises(UsageError) as caught:
        read_text(content, HERE)
    text = str(caught.value)
    assert "s.yaml" in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"workers: 1\nrelay:\n\tsigning: auto\n", "line 3 is not YAML: it is indented by a tab; use spaces"),
        (b"workers: 1\nadmin_token: \xe4\xf6\n", "byte 25 is not UTF-8; save the file as UTF-8"),
        ("site: ü\n".encode("latin-1"), "is not UTF-8; save the file as UTF-8"),
        (b"a: \x00\n", "look for control characters"),
        (b"a: [1\n", "is not YAML: a bracket or a quote is not closed"),
        (b"a: 'x\n", "a bracket or a quote is not closed"),
        (b"a: b: c\n", "line 1 is not YAML: a second colon, or wrong indentation"),
        (b"listen: [::1]:8787\n", "[::1]:8787 needs quotes"),
        (b"a: 1\nb\n", "line 3 is not YAML: a key without a colon"),
        (b"a: 1\n---\nb: 2\n", "a second document begins"),
        (b"relay: !!python/object:os.system {}\n", "a value that begins with ! needs quotes"),
        (b"a: %x\n", "needs quotes"),
        (b'a: "\\q"\n', "a backslash in double quotes"),
        (b"? [a]\n: 1\n", "a key must be a plain word"),
        (b"site: 2026-13-45\n", "looks like a date"),
        (b"[" * 5000, "nested too deeply"),
        (b"- a\n", "must hold keys and values"),
        (b"just text", "must hold keys and values"),
    ],
)
def test_what_is_no_yaml_for_settings_is_said_with_its_line(content: bytes, expected: str) -> None:
    assert expected in refusal(content)


@pytest.mark.parametrize(
    "secret", ["*hunter2", "&hunter2 *x", "!hunter2 x", "[hunter2", "'hunter2", "hunter2: x: y", "@hunter2", "{hunter2"]
)
def test_no_refusal_quotes_what_may_be_a_secret(secret: str) -> None:
    assert "hunter2" not in refusal(f"admin_token: {secret}\n".encode())


def test_files_that_cannot_be_read_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    for name, expected in [("none.yaml", "there is none"), (".", "it is a directory"), ("large", "more than"), ("a\0b", "no such name")]:
        with pytest.raises(UsageError, match="cannot be read") as caught:
            read_file(tmp_path / name)
        assert expected in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").touch(mode=0o000)
    with pytest.raises(UsageError, match="not permitted"):
        read_file(tmp_path / "s.yaml")


def test_every_key_has_its_line() -> None:
    read = read_text(
        b"# first\nworkers: 2\nrelay:\n  keepalive: 1\nworkload:\n  rules:\n    - app: x\n      workload_class: batch\nlisten: [a,\n  b]\n",
        HERE,
    )
    assert read.lines == {
        "workers": 2,
        "relay": 3,
        "relay.keepalive": 4,
        "workload": 5,
        "workload.rules": 6,
        "workload.rules.0": 7,
        "workload.rules.0.app": 7,
        "workload.rules.0.workload_class": 8,
        "listen": 9,
        "listen.0": 9,
        "listen.1": 10,
    }
    assert read.tree["relay"] == {"keepalive": 1}


def test_a_key_given_twice_is_a_mistake_with_both_lines() -> None:
    read = read_text(b"workers: 1\nrelay:\n  keepalive: 1\n  keepalive: 2\nworkers: 3\n", HERE)
    assert [mistake.text(None) for mistake in read.mistakes] == [
        "relay.keepalive: is given twice, in line 3 and in line 4; keep one",
        "workers: is given twice, in line 1 and in line 5; keep one",
    ]


def test_a_merged_table_is_not_given_twice() -> None:
    read = read_text(b"relay: &r {keepalive: 1, site: a}\ntargets:\n  <<: *r\n  site: b\n", HERE)
    assert read.tree["targets"] == {"keepalive": 1, "site": "b"}
    assert read.mistakes == ()


@pytest.mark.parametrize(
    "content", [b"", b"# nothing\n", b"---\n", "\ufeffworkers: 1\n".encode(), "workers: 1\n".encode("utf-16"), b"workers: 1\r\n"]
)
def test_encodings_and_line_ends_of_editors_are_read(content: bytes) -> None:
    assert read_text(content, HERE).tree in ({}, {"workers": 1})


def test_a_table_that_holds_itself_comes_to_an_end() -> None:
    assert read_text(b"a: &a {b: *a}\n", HERE).lines == {"a": 1, "a.b": 1}

"""What is in force is shown as a settings file, each value with its source, and no secret."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from streamgauge.config import load, read
from streamgauge.config.keys import every_key
from streamgauge.config.page import effective, kind_of, reference
from streamgauge.errors import UsageError


def test_what_is_in_force_has_its_source(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("relay:\n  keepalive: 5\nadmin_token: hunter2\ntargets: {upstreams: {bedrock-runtime: 'http://a'}}\n")
    loaded = read(tmp_path / "s.yaml", {"workers": 2}, {"STREAMGAUGE_RELAY__SITE": "here"})
    assert list(effective(loaded, {"STREAMGAUGE_LEDGER": "/l.db"}, everything=False)) == [
        "admin_token: (set, not shown)  # line 3",
        'ledger: "/l.db"  # $STREAMGAUGE_LEDGER',
        "workers: 2  # an option",
        "targets:",
        '  upstreams: {"bedrock-runtime": "http://a"}  # line 4',
        "relay:",
        "  keepalive: 5.0  # line 2",
        '  site: "here"  # $STREAMGAUGE_RELAY__SITE',
    ]


def test_all_that_is_in_force_can_be_used_as_a_file(tmp_path: Path) -> None:
    lines = list(effective(read(None, {}), {}, everything=True))
    assert "workers: 1  # default, STREAMGAUGE_WORKERS sets it" in lines
    (tmp_path / "s.yaml").write_text("\n".join(lines))
    assert load(tmp_path / "s.yaml", {}) == load(None, {})
    assert yaml.safe_load("\n".join(lines))


def test_the_reference_has_every_key() -> None:
    page = reference()
    assert [key.name for key in every_key() if f"| `{key.name}` |" not in page] == []


def test_kinds_are_told_in_words() -> None:
    kinds = {key.name: kind_of(key.hint) for key in every_key()}
    assert kinds["relay.site"] == "text, null"
    assert kinds["targets.upstreams"] == "table of text"
    assert kinds["workload.rules"].startswith("list of tables with `workload_class`")


@pytest.mark.parametrize("password", ["hunter2'x", 'hun"ter2', "it's:a\"b", "hun%2Fter2", "hunter2@x", "hunter2\\x"])
def test_no_password_is_shown_whatever_its_characters(password: str) -> None:
    environ = {
        "STREAMGAUGE_RELAY__EGRESS_PROXY": f"http://user:{password}@proxy.corp:3128",
        "STREAMGAUGE_TENANTS__ALIASES": f"a=user:{password}@b",
    }
    try:
        lines = list(effective(read(None, {}, environ), environ, everything=False))
        assert '  egress_proxy: "http://***@proxy.corp:3128"  # $STREAMGAUGE_RELAY__EGRESS_PROXY' in lines
        said = "\n".join(lines)
    except UsageError as error:
        said = str(error)
    assert not [part for part in ("hunter2", "hun", "it's") if part in said]

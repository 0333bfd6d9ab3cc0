"""Keys are read off the dataclasses, each with its type and default."""

from __future__ import annotations

from streamgauge.config import Config
from streamgauge.config.keys import every_key, is_dict, is_list, nearest, required, table_type, tables
from streamgauge.relay.settings import RelaySettings
from streamgauge.workload import WorkloadRule


def test_every_key_has_its_type_and_default() -> None:
    known = {key.name: key for key in every_key()}
    assert (known["drain_seconds"].hint, known["drain_seconds"].default) == (float, 30.0)
    assert known["relay.read_timeout"].default == RelaySettings().read_timeout
    assert is_list(known["listen"].hint)
    assert is_dict(known["targets.upstreams"].hint)
    assert table_type(known["workload.rules"].hint) is WorkloadRule
    assert required(WorkloadRule) == ("workload_class",)


def test_tables_are_named_with_the_whole_first() -> None:
    found = list(tables())
    assert found[0] == ("", Config)
    assert ("relay", RelaySettings) in found


def test_a_key_that_stands_in_the_wrong_table_is_found() -> None:
    assert nearest("keepalive", Config, "") == "; did you mean relay.keepalive?"
    assert nearest("relay", RelaySettings, "relay.") == "; did you mean relay?"
    assert nearest("zzz", WorkloadRule, "x.").startswith("; known keys here: workload_class, ")

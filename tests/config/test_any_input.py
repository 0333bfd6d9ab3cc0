"""Whatever stands in a file or the environment: settings, or one error of usage. No other exception, and no secret."""

from __future__ import annotations

import contextlib
import string
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.config import Config, Loaded
from streamgauge.config.environment import VARIABLES
from streamgauge.config.keys import every_key
from streamgauge.config.load import read
from streamgauge.config.yaml_file import read_text
from streamgauge.errors import UsageError

SECRET = "hunter2-hunter2"
PARTS = sorted({part for key in every_key() for part in key.name.split(".")} | {"workload_class", "app", "0"})

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates() | st.binary(max_size=4)
trees: Any = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(PARTS) | st.text(max_size=5) | st.integers(), inner, max_size=5)
    ),
    max_leaves=20,
)


def outcome(path: Path | None, environ: dict[str, str]) -> Loaded | str:
    try:
        return read(path, {}, environ)
    except UsageError as error:
        return str(error)


@settings(max_examples=100, deadline=None)
@given(tree=st.dictionaries(st.sampled_from(PARTS), trees, max_size=6))
def test_any_yaml_is_settings_or_a_usage_error(tree: dict[str, Any], tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("any") / "s.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8", errors="surrogatepass")
    found = outcome(path, {})
    assert isinstance(found, str) or isinstance(found.config, Config)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=60) | st.text(alphabet="ab:[]{},*&!|>'\"#%@`-? \t\n", max_size=40).map(str.encode))
def test_any_bytes_are_a_tree_or_a_usage_error(content: bytes) -> None:
    with contextlib.suppress(UsageError):
        assert isinstance(read_text(content, Path("s.yaml")).tree, dict)


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(sorted(VARIABLES)), text=st.text(alphabet=string.printable, max_size=30))
def test_any_variable_is_a_setting_or_a_usage_error(name: str, text: str) -> None:
    found = outcome(None, {name: text})
    assert isinstance(found, str) or isinstance(found.config, Config)


@settings(max_examples=100, deadline=None)
@given(
    shape=st.sampled_from(["{}", "[{}]", "a: {}", "'{}'", "{} x: y", "*{}", "&{}", "!{}", "{{{}: 1}}", "|\n  {}", "%{}", "{}: {}"]),
    wrong=st.sampled_from(["workers: x\n", ""]),
)
def test_no_shape_of_a_token_is_told(shape: str, wrong: str, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("secret") / "s.yaml"
    path.write_text(f"admin_token: {shape.format(SECRET, SECRET)}\n{wrong}", encoding="utf-8")
    found = outcome(path, {})
    assert not isinstance(found, str) or SECRET not in found

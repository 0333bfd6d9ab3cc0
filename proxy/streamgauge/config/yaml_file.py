"""The settings file: YAML in, plain values out, with the line of each key.

Knows: what goes wrong with files and with YAML, in words that say what to do.
Must not know: which keys there are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from streamgauge.config.mistakes import Mistake
from streamgauge.errors import UsageError

MAX_FILE_BYTES = 1 << 20
"""All settings with all their comments are some ten kilobytes. What is larger was named by mistake."""

_WORDS = (
    (re.compile(r"found character '\\t'|found a tab"), "it is indented by a tab; use spaces"),
    (re.compile(r"found character '[%@`]'"), "a value that begins with % @ or ` needs quotes"),
    (re.compile(r"found unknown escape"), "a backslash in double quotes; use single quotes"),
    (re.compile(r"mapping values are not allowed"), "a second colon, or wrong indentation; a value with ': ' in it needs quotes"),
    (
        re.compile(r"expected <block end>"),
        "something follows that does not belong there, or the indentation is wrong; [::1]:8787 needs quotes",
    ),
    (re.compile(r"found '\]'|expected the node content"), "a bracket too many or too few; [::1]:8787 needs quotes"),
    (re.compile(r"expected a single document"), "a second document begins (---); one file holds one"),
    (re.compile(r"could not determine a constructor"), "a tag (!...) means nothing here; a value that begins with ! needs quotes"),
    (re.compile(r"undefined alias|expected alphabetic"), "a value that begins with * or & needs quotes"),
    (re.compile(r"could not find expected ':'"), "a key without a colon behind it"),
    (re.compile(r"unexpected end of stream|expected ',' or|got '<stream end>'"), "a bracket or a quote is not closed"),
    (re.compile(r"unhashable key"), "a key must be a plain word"),
)
"""The parser's words, which may quote what stands there, in ours, which never do."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a file holds. ``lines``: of each dotted key, from 1. ``mistakes``: keys that are given twice."""

    tree: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    mistakes: tuple[Mistake, ...] = ()


def read_file(path: Path) -> Read:
    """Read ``path``. Raises ``UsageError`` naming the file, where known the line, and what to do."""
    return read_text(_content(path), path)


def read_text(content: bytes, path: Path) -> Read:
    """Read the bytes of ``path``."""
    import yaml

    lines: dict[str, int] = {}
    mistakes: list[Mistake] = []
    try:
        loader = yaml.SafeLoader(content)
        node = loader.get_single_node()
        if node is None:
            return Read()
        # Before the construction, which writes merged keys (<<) into the nodes, where they would look as if given twice.
        _locate(node, "", lines, mistakes, set())
        tree = loader.construct_document(node)
    except yaml.reader.ReaderError as error:
        raise UsageError(f"the settings file {path} is not YAML: {_unreadable(error)}") from None
    except yaml.YAMLError as error:
        _refuse(path, error)
    except ValueError as error:  # a date such as 2026-13-45
        raise UsageError(f"the settings file {path} is not YAML: a value looks like a date and is none; put it in quotes") from error
    except RecursionError:
        raise UsageError(f"the settings file {path} is not YAML for settings: it is nested too deeply") from None
    if tree is None:
        return Read()
    if not isinstance(tree, dict):
        raise UsageError(f"the settings file {path} must hold keys and values, as in config/streamgauge.yaml")
    return Read(tree, lines, tuple(mistakes))


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except IsADirectoryError:
        raise UsageError(f"the settings file {path} cannot be read (it is a directory): name a file in it") from None
    except FileNotFoundError:
        raise UsageError(f"the settings file {path} cannot be read (there is none): check the path, or leave --config out") from None
    except PermissionError:
        raise UsageError(f"the settings file {path} cannot be read (not permitted): give this user read permission") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"the settings file {path} cannot be read ({getattr(error, 'strerror', None) or 'no such name'})") from error
    if len(content) > MAX_FILE_BYTES:
        raise UsageError(f"the settings file {path} cannot be read (it has more than {MAX_FILE_BYTES} bytes): name another file")
    return content


def _unreadable(error: Any) -> str:
    if error.encoding == "unicode":
        return "a character that YAML does not allow; look for control characters"
    return f"byte {error.position + 1} is not UTF-8; save the file as UTF-8"


def _refuse(path: Path, error: Any) -> NoReturn:
    mark = error.problem_mark or error.context_mark
    place = f", line {mark.line + 1}" if mark else ""
    said = f"{error.context or ''} {error.problem or ''}"
    reason = next((words for pattern, words in _WORDS if pattern.search(said)), "check quotes, brackets and indentation there")
    raise UsageError(f"the settings file {path}{place} is not YAML: {reason}") from None


def _locate(node: Any, prefix: str, lines: dict[str, int], mistakes: list[Mistake], seen: set[int]) -> None:
    """Lines of keys, and keys given twice. Each node once: an alias may stand for its own parent."""
    if id(node) in seen:
        return
    seen.add(id(node))
    below = f"{prefix}." if prefix else ""
    if node.id == "mapping":
        for key, value in node.value:
            name = below + str(key.value)
            line = key.start_mark.line + 1
            if name in lines and lines[name] != line:
                mistakes.append(Mistake(name, f"is given twice, in line {lines[name]} and in line {line}; keep one"))
            lines[name] = line
            _locate(value, name, lines, mistakes, seen)
    elif node.id == "sequence":
        for number, value in enumerate(node.value):
            lines[f"{below}{number}"] = value.start_mark.line + 1
            _locate(value, f"{below}{number}", lines, mistakes, seen)

"""The commented settings file that ships with the package, and what its comments say of each key.

It is ``config/streamgauge.yaml``, which is written by hand (in the source tree a link leads there): a comment above each key, at the key's own depth.
Tests hold it to the dataclasses and to their defaults.
"""

from __future__ import annotations

import re
from importlib import resources

NAME = "streamgauge.yaml"

_LINE = re.compile(r"( *)(?:#(?: (.*))?|([a-z_]+):(?: .*)?|(- .*)|)")


def text() -> str:
    """The file as it is shipped."""
    return resources.files("streamgauge.data").joinpath(NAME).read_text(encoding="utf-8")


def descriptions(sample: str) -> dict[str, str]:
    """What the comment directly above each dotted key says, its lines joined as they stand; empty for a key without one."""
    found: dict[str, str] = {}
    path: list[str] = []
    comment: list[str] = []
    for line in sample.splitlines():
        match = _LINE.fullmatch(line)
        if match is None or not line.strip():
            comment = []
        elif match[3] is not None:
            path = [*path[: len(match[1]) // 2], match[3]]
            found[".".join(path)] = "\n".join(comment)
            comment = []
        elif match[4] is None:
            comment.append(match[2] or "")
    return found

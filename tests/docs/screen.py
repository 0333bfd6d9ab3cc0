"""The screen at the top of ``README.md``: what the demo wrote on a terminal of 80 columns, cut to a few rows and one call's waterfall.

``python -m tests.docs.screen`` plays the demo and writes it anew; a test plays a short one and compares the form, since every run has other figures.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from tests.docs.cost import between
from tests.docs.terminals import on_a_terminal

README = Path(__file__).parents[2] / "README.md"

ROWS = 6
"""Calls that are shown: enough to see that they differ, one that failed among them."""

LEFT_OUT = "[...]"

_ROW = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2} ")
_NUMBER = re.compile(r"<?[0-9][0-9,.:]*")
_MARKED = re.compile(r"<!-- screen -->\n```console\n(.*?)\n```\n<!-- /screen -->", re.DOTALL)


def played(*options: str) -> list[str]:
    """The lines that ``streamgauge demo`` writes."""
    with tempfile.TemporaryDirectory() as place:
        lines = on_a_terminal(["demo", "--ledger", f"{place}/ledger.db", *options], Path(place)).splitlines()
    if "Traceback (most recent call last):" in lines or "What to do next" not in lines:
        raise RuntimeError("the demo did not do its work:\n" + "\n".join(lines[-20:]))
    return lines


def cut(lines: list[str]) -> list[str]:
    """What of it the page shows."""
    first = next(i for i, line in enumerate(lines) if _ROW.match(line))
    last = next(i for i in range(first, len(lines)) if not _ROW.match(lines[i]))
    heading = next(i for i, line in enumerate(lines) if line.startswith("ended"))
    failed = next((i for i in range(first + ROWS - 1, last) if " completed " not in lines[i]), first + ROWS - 1)
    axis = next(i for i, line in enumerate(lines) if re.fullmatch(r" +0 +[0-9.]+ m?s", line))
    blank = [i for i in range(axis, len(lines)) if not lines[i]]
    slowest = next(line for line in lines if line.startswith("The call that waited longest"))
    return [
        "$ make demo",
        lines[0],
        "",
        *lines[heading:first],
        *lines[failed - ROWS + 1 : failed + 1],
        LEFT_OUT,
        slowest,
        *lines[axis : blank[1]],
    ]


def shown(page: str) -> list[str]:
    """What the page shows."""
    found = _MARKED.search(page)
    assert found is not None, "README.md has no screen between its marks"
    return found[1].split("\n")


def forms(lines: list[str]) -> list[str]:
    """The lines without what differs from run to run: figures, bars, which phases a call had."""
    out: list[str] = []
    for line in lines:
        after_the_chart = out and (out[-1] == "the sentence" or (out[-1] == "" and out[-2:-1] != [] and out[-2].startswith("a bar")))
        out.append("the sentence" if after_the_chart else _form(line))
    return out


def _form(line: str) -> str:
    words = line.split()
    if _ROW.match(line):
        return f"a row of {len(words)} cells"
    if "│" in line:
        return f"a bar that begins in column {line.index('│')} and ends in {line.rindex('│')}"
    return _NUMBER.sub("#", " ".join(words))


def main() -> None:
    """Play the demo and write the page."""
    block = "```console\n" + "\n".join(cut(played())) + "\n```\n"
    README.write_text(between(README.read_text(encoding="utf-8"), "screen", block), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Children that are a line of Python."""

from __future__ import annotations

import sys
from typing import Any

from streamgauge.supervisor.children import Child
from tests.chaos.serving import until


def child(code: str, settings: Any = None) -> Child:
    return Child("child", [sys.executable, "-S", "-c", code], lambda: settings, [])


def ended(made: Child) -> int:
    codes: list[int] = []

    def died() -> bool:
        code = made.died()
        if code is not None:
            codes.append(code)
        return bool(codes)

    until(died, "end of the child")
    return codes[0]

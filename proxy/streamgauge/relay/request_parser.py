"""Whether aiohttp reads requests with llhttp, its parser in C: the one in Python, which takes its place silently, is lenient and slow.

What two readers frame differently is how one caller's request ends up in another's, so that the relay does not work without it.
"""

from __future__ import annotations

import importlib.util
import os
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from streamgauge.errors import CouldNotRun

_MISSING = (
    "aiohttp has no compiled HTTP parser here: install its wheel for this platform and Python (pip install --force-reinstall --only-binary "
    "aiohttp aiohttp)"
)


def refuse_without_extension() -> None:
    """``CouldNotRun`` where the environment or the installation leaves the parser out. Imports nothing of aiohttp, and takes microseconds."""
    if os.environ.get("AIOHTTP_NO_EXTENSIONS"):
        raise CouldNotRun("AIOHTTP_NO_EXTENSIONS is set: aiohttp would read requests with its parser in Python; remove the variable")
    found = importlib.util.find_spec("aiohttp")
    folders = [Path(place) for place in (found.submodule_search_locations or ())] if found is not None else []
    if not any((folder / f"_http_parser{suffix}").exists() for folder in folders for suffix in EXTENSION_SUFFIXES):
        raise CouldNotRun(_MISSING)


def refuse_python_parser() -> None:
    """``CouldNotRun`` where aiohttp, now imported, has taken its parser in Python: also when the compiled one cannot be loaded."""
    refuse_without_extension()
    from aiohttp import http_parser

    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise CouldNotRun(_MISSING)

"""The demo, as a stranger runs it."""

from __future__ import annotations

import re
import subprocess
import sys


def test_the_demo_measures_real_calls_and_reports_them() -> None:
    done = subprocess.run([sys.executable, "-m", "streamgauge", "demo"], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    measured = re.search(r"^([0-9]+) exchanges from", done.stdout, re.MULTILINE)
    assert measured is not None
    assert int(measured[1]) >= 150
    assert "ConverseStream" in done.stdout
    assert "What the application felt" in done.stdout

"""What streamgauge costs: direct, nginx and streamgauge compared in one interleaved run on two cores.

Read ``scenarios`` for what is run, ``verdict`` for what counts, ``goals`` for what must be reached. The load programs are C, in ``src``.
Run it with ``python tests/bench/run.py`` (``--help``), also as ``make bench``. Linux only; beside streamgauge only the standard library.
"""

from __future__ import annotations

import sys

from tests.bench.cli import main

if __name__ == "__main__":
    sys.exit(main())

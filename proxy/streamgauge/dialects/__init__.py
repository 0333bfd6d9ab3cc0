"""What a provider's frames mean: one module a wire format, chosen by ``open_dialect``."""

from __future__ import annotations

from streamgauge.dialects.base import Dialect
from streamgauge.dialects.meaning.request import read_request
from streamgauge.dialects.table import open_dialect

__all__ = ["Dialect", "open_dialect", "read_request"]

"""What a caller of this package can tell apart.

Every error says whose doing it was (``side``) and carries a low-cardinality ``error_type``; texts never hold content or secrets.
"""

from __future__ import annotations

from streamgauge.records import Side


class StreamgaugeError(Exception):
    """Base of everything raised on purpose."""

    side: Side = "proxy"
    error_type: str = "proxy_error"


class Undecodable(StreamgaugeError):
    """A decoder met bytes that make no sense. Measuring of this exchange's content stops; relaying goes on.

    ``reason`` is one of a short closed list (``prelude_crc``, ``message_crc``, ``frame_size``, ``header``, ``json``, ``line_too_long``,
    ``body_too_large``, ``content_encoding``, ``decompression_bomb``) and becomes a label of a counter.
    """

    side: Side = "upstream"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadResponse(StreamgaugeError):
    """The upstream's bytes are not an HTTP/1.1 response we can frame safely. ``reason`` is a short fixed text."""

    side: Side = "upstream"
    error_type = "upstream_protocol"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UpstreamUnreachable(StreamgaugeError):
    """No connection to the upstream could be made."""

    side: Side = "upstream"
    error_type = "connect_error"


class UpstreamNameUnknown(UpstreamUnreachable):
    """The upstream's name has no address, or nobody could be asked for it."""

    error_type = "name_error"


class UpstreamTlsFailed(UpstreamUnreachable):
    """The upstream was reached, but no trusted TLS session came of it."""

    error_type = "tls_error"


class EgressProxyRefused(UpstreamUnreachable):
    """The corporate proxy on the way out did not let us through: not the provider's doing."""

    side: Side = "proxy"
    error_type = "egress_proxy_error"


UPSTREAM_TIMEOUTS = frozenset({"name_timeout", "connect_timeout", "tls_timeout", "first_byte_timeout", "read_timeout"})
"""Error types of an upstream that kept silent for longer than allowed, by phase; each is also the name of the setting that says how long."""


class UpstreamTimeout(StreamgaugeError):
    """The upstream kept silent for longer than allowed while a connection was made. ``error_type`` is one of ``UPSTREAM_TIMEOUTS``."""

    side: Side = "upstream"
    error_type = "connect_timeout"


class NameTimeout(UpstreamTimeout):
    """Nobody answered for the upstream's name."""

    error_type = "name_timeout"


class TlsTimeout(UpstreamTimeout):
    """A connection came about, and no TLS session of it."""

    error_type = "tls_timeout"


class TargetNotAllowed(StreamgaugeError):
    """The request names a host outside the allow-list."""

    side: Side = "downstream"
    error_type = "target_not_allowed"


class ProxyCredentials(StreamgaugeError):
    """The proxy's own AWS role is missing, expired or unusable. The text is the sentence for log and readiness."""

    error_type = "proxy_credentials"


class UsageError(StreamgaugeError):
    """A command was called with arguments or settings that cannot work (exit code 2)."""

    exit_code = 2


class NotEnoughData(StreamgaugeError):
    """The data do not support the statement that was asked for (exit code 3)."""

    exit_code = 3


class CouldNotRun(StreamgaugeError):
    """Port, ledger or network prevented the command (exit code 4)."""

    exit_code = 4

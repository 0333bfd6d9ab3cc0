"""placeholder until the real module lands"""

from __future__ import annotations
from streamgauge.records import Operation


def build(reason: str, text: str, operation: Operation) -> tuple[int, bytes]:
    body = ('{"message":"' + text.replace('"', "'") + '"}').encode()
    return 502, b"HTTP/1.1 502 Bad Gateway\r\nx-streamgauge-reply: %b\r\ncontent-length: %d\r\n\r\n" % (reason.encode(), len(body)) + body

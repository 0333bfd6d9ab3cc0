"""Requests that two readers could read differently, and odd ones that nobody can: the kinds of cases of llhttp's tests, h1spec and the
literature on request smuggling, each as exact bytes.

``REFUSED``: nothing of it may reach an upstream. ``CUT_OFF``: its beginning is a request, its body is not; nothing of that may reach one either.
``PASSED``: (what is sent, what the upstream gets). ``<us>`` stands for the proxy's address, ``<it>`` for the upstream's.
"""

from __future__ import annotations

NEXT = b"GET /smuggled HTTP/1.1\r\nHost: <us>\r\n\r\n"
"""What somebody would like to slip past: it never arrives as a request."""

INNER = NEXT.replace(b"<us>", b"h")

POST = b"POST /model/m/converse HTTP/1.1\r\nHost: <us>\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
FIVE = POST + b"Content-Length: 5\r\n"

REQUEST_LINES = {
    "no version": b"POST /smuggled\r\nHost: <us>\r\n\r\n",
    "HTTP/0.9": b"GET /smuggled HTTP/0.9\r\nHost: <us>\r\n\r\n",
    "HTTP/1": b"GET /smuggled HTTP/1\r\nHost: <us>\r\n\r\n",
    "HTTP/1.2": b"GET /smuggled HTTP/1.2\r\nHost: <us>\r\n\r\n",
    "HTTP/1.10": b"GET /smuggled HTTP/1.10\r\nHost: <us>\r\n\r\n",
    "HTTP/01.1": b"GET /smuggled HTTP/01.1\r\nHost: <us>\r\n\r\n",
    "HTTP/1.01": b"GET /smuggled HTTP/1.01\r\nHost: <us>\r\n\r\n",
    "HTTP/2.0": b"GET /smuggled HTTP/2.0\r\nHost: <us>\r\n\r\n",
    "HTTP/9.9": b"GET /smuggled HTTP/9.9\r\nHost: <us>\r\n\r\n",
    "HTTP-1.1": b"GET /smuggled HTTP-1.1\r\nHost: <us>\r\n\r\n",
    "HTTP/1,1": b"GET /smuggled HTTP/1,1\r\nHost: <us>\r\n\r\n",
    "HTP/1.1": b"GET /smuggled HTP/1.1\r\nHost: <us>\r\n\r\n",
    "http/1.1": b"GET /smuggled http/1.1\r\nHost: <us>\r\n\r\n",
    "ICE/1.0": b"SOURCE /smuggled ICE/1.0\r\nHost: <us>\r\n\r\n",
    "RTSP/1.0": b"PLAY /smuggled RTSP/1.0\r\nHost: <us>\r\n\r\n",
    "words behind the version": b"GET /smuggled HTTP/1.1 HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "a space before the method": b" GET /smuggled HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "tabs between the words": b"GET\t/smuggled\tHTTP/1.1\r\nHost: <us>\r\n\r\n",
    "a space within the target": b"GET /smug gled HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "a method in lower case": b"get /smuggled HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "a method that nobody knows": b"SMUGGLE /smuggled HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "a method that is no token": b"G@T /smuggled HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "NUL in the method": b"G\x00T /smuggled HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "NUL in the target": b"GET /smug\x00gled HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "a control character in the target": b"GET /smug\x01gled HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "DEL in the target": b"GET /smug\x7fgled HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "a tab in the target": b"GET /smug\tgled HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "bytes in the target that are no ASCII": b"GET /smug\xc3\xa4gled HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "a bare CR in the request line": b"GET /smuggled\rHTTP/1.1\r\nHost: <us>\r\n\r\n",
    "a bare CR behind the version": b"GET /smuggled HTTP/1.1\rHost: <us>\r\n\r\n",
    "a bare LF behind the version": b"GET /smuggled HTTP/1.1\nHost: <us>\r\n\r\n",
    "bare LF everywhere": b"GET /smuggled HTTP/1.1\nHost: <us>\n\n",
    "bare CR everywhere": b"GET /smuggled HTTP/1.1\rHost: <us>\r\r",
}

HEADERS = {
    "no colon": POST + b"X\r\n\r\n",
    "no name": POST + b": x\r\n\r\n",
    "a space before the colon": POST + b"X : x\r\n\r\n",
    "a tab before the colon": POST + b"X\t: x\r\n\r\n",
    "a space within the name": POST + b"X Y: x\r\n\r\n",
    "a name with a control character": POST + b"X\x01: x\r\n\r\n",
    "a name with NUL": POST + b"X\x00: x\r\n\r\n",
    "a name with a byte that is no ASCII": POST + b"X\xe4: x\r\n\r\n",
    "a name with a parenthesis": POST + b"X(: x\r\n\r\n",
    "a name with a slash": POST + b"X/Y: x\r\n\r\n",
    "a name with a bracket": POST + b"[X]: x\r\n\r\n",
    "a name with a quotation mark": POST + b'"X": x\r\n\r\n',
    "a name with an at sign": POST + b"X@Y: x\r\n\r\n",
    "a header that begins with a space": b"POST /model/m/converse HTTP/1.1\r\n Host: <us>\r\n\r\n",
    "obs-fold by a space": POST + b"X: x\r\n y\r\n\r\n",
    "obs-fold by a tab": POST + b"X: x\r\n\ty\r\n\r\n",
    "obs-fold of nothing": POST + b"X: x\r\n \r\n\r\n",
    "obs-fold of a length": POST + b"Content-Length:\r\n 5\r\n\r\nhello",
    "obs-fold of a coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "obs-fold that hides a coding": POST + b"X: x\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
    "NUL in a value": POST + b"X: a\x00b\r\n\r\n",
    "a control character in a value": POST + b"X: a\x01b\r\n\r\n",
    "DEL in a value": POST + b"X: a\x7fb\r\n\r\n",
    "a vertical tab in a value": POST + b"X: a\x0bb\r\n\r\n",
    "a bare CR in a value": POST + b"X: a\rY: b\r\n\r\n",
    "a bare CR that hides a coding": FIVE + b"X: a\rTransfer-Encoding: chunked\r\n\r\nhello",
    "a bare LF between headers": POST + b"X: a\nY: b\r\n\r\n",
    "a bare LF that hides a coding": FIVE + b"X: a\nTransfer-Encoding: chunked\r\n\r\nhello",
    "CR CR LF": POST + b"X: a\r\r\nY: b\r\n\r\n",
    "a bare LF for the empty line": POST + b"X: a\r\n\n",
    "a bare CR for the empty line": POST + b"X: a\r\n\rGET",
}

LENGTHS = {
    "two lengths": FIVE + b"Content-Length: 6\r\n\r\nhello",
    "two lengths, the larger first": POST + b"Content-Length: 6\r\nContent-Length: 5\r\n\r\nhello",
    "the same length twice": FIVE + b"Content-Length: 5\r\n\r\nhello",
    "the same length twice in two spellings": FIVE + b"content-length: 5\r\n\r\nhello",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "a list of two lengths": POST + b"Content-Length: 5, 6\r\n\r\nhello",
    "+5": POST + b"Content-Length: +5\r\n\r\nhello",
    "-5": POST + b"Content-Length: -5\r\n\r\nhello",
    "-0": POST + b"Content-Length: -0\r\n\r\n",
    "5 5": POST + b"Content-Length: 5 5\r\n\r\nhello",
    "5x": POST + b"Content-Length: 5x\r\n\r\nhello",
    "0x5": POST + b"Content-Length: 0x5\r\n\r\nhello",
    "5.0": POST + b"Content-Length: 5.0\r\n\r\nhello",
    "5e0": POST + b"Content-Length: 5e0\r\n\r\nhello",
    "1_0": POST + b"Content-Length: 1_0\r\n\r\n" + b"0123456789",
    "a quoted length": POST + b'Content-Length: "5"\r\n\r\nhello',
    "5;": POST + b"Content-Length: 5;\r\n\r\nhello",
    "5 and a vertical tab": POST + b"Content-Length: 5\x0b\r\n\r\nhello",
    "5 and NUL": POST + b"Content-Length: 5\x00\r\n\r\nhello",
    "NUL and 5": POST + b"Content-Length: \x005\r\n\r\nhello",
    "a digit that is no ASCII": POST + b"Content-Length: \xd9\xa5\r\n\r\nhello",
    "no digits": POST + b"Content-Length:\r\n\r\nhello",
    "spaces": POST + b"Content-Length:   \r\n\r\nhello",
    "a length of 2^64 + 5": POST + b"Content-Length: 18446744073709551621\r\n\r\nhello",
    "a length of 40 digits": POST + b"Content-Length: 1000000000000000000000000000000000000005\r\n\r\nhello",
    "a space before the colon of a length": POST + b"Content-Length : 5\r\n\r\nhello",
}

CODINGS = {
    "a length and chunked": FIVE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT,
    "chunked and a length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + NEXT,
    "a length of nothing and chunked": POST + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT,
    "a length and identity": FIVE + b"Transfer-Encoding: identity\r\n\r\nhello",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "gzip": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "chunked, identity": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked, gzip": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked, chunked": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "identity, chunked": POST + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": CHUNKED[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and identity apart": CHUNKED[:-2] + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "identity and chunked apart": POST + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunkedx": POST + b"Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n",
    "chunked and a parameter": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "quoted": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "a comma behind": POST + b"Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n",
    "a comma before": POST + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
    "a vertical tab before": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "NUL behind": POST + b"Transfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n",
    "a byte that is no ASCII behind": POST + b"Transfer-Encoding: chunked\xa0\r\n\r\n0\r\n\r\n",
    "nothing": POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "a space before the colon of a coding": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a tab before the colon of a coding": POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST /model/m/converse HTTP/1.0\r\nHost: <us>\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT,
}

HOSTS = {
    "no host": b"POST /model/m/converse HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "two hosts": POST + b"Host: other.example\r\n\r\n",
    "the same host twice": POST + b"Host: <us>\r\n\r\n",
    "a list of hosts": b"GET /smuggled HTTP/1.1\r\nHost: <us>, other.example\r\n\r\n",
    "a host with a user": b"GET /smuggled HTTP/1.1\r\nHost: other@<us>\r\n\r\n",
    "a host with a path": b"GET /smuggled HTTP/1.1\r\nHost: <us>/x\r\n\r\n",
    "a host with a space": b"GET /smuggled HTTP/1.1\r\nHost: <us> x\r\n\r\n",
    "a host with a port that is none": b"GET /smuggled HTTP/1.1\r\nHost: other.example:99999\r\n\r\n",
    "an absolute target with a user": b"GET http://bedrock-runtime.us-east-1.amazonaws.com@other.example/ HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "an absolute target that is not allowed": b"GET http://other.example/smuggled HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "an absolute target that is not allowed, behind an allowed host": b"GET http://other.example/smuggled HTTP/1.1\r\n"
    b"Host: bedrock-runtime.us-east-1.amazonaws.com\r\n\r\n",
    "an absolute target of another scheme": b"GET ftp://bedrock-runtime.us-east-1.amazonaws.com/ HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "an absolute target without a host": b"GET http:///smuggled HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "an absolute target with a backslash": b"GET http://bedrock-runtime.us-east-1.amazonaws.com\\.other.example/ HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "an authority for a target": b"GET other.example:443 HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "CONNECT": b"CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n",
    "OPTIONS *": b"OPTIONS * HTTP/1.1\r\nHost: <us>\r\n\r\n",
}

OVERSIZE = {
    "a target of 40 KB": b"GET /smuggled" + 40_000 * b"a" + b" HTTP/1.1\r\nHost: <us>\r\n\r\n",
    "a header of 70 KB": POST + b"X: " + 70_000 * b"a" + b"\r\n\r\n",
    "a name of 70 KB": POST + 70_000 * b"X" + b": a\r\n\r\n",
    "300 headers": POST + 300 * b"X: a\r\n" + b"\r\n",
    "a head of 140 KB": POST + 140 * (b"X: " + 1_000 * b"a" + b"\r\n") + b"\r\n",
}

REFUSED = {
    f"{kind}: {name}": raw
    for kind, cases in (
        ("request line", REQUEST_LINES),
        ("header", HEADERS),
        ("length", LENGTHS),
        ("coding", CODINGS),
        ("host", HOSTS),
        ("size", OVERSIZE),
    )
    for name, raw in cases.items()
}

CUT_OFF = {
    f"chunk: {name}": CHUNKED + body
    for name, body in {
        "+5": b"+5\r\nhello\r\n0\r\n\r\n",
        "-5": b"-5\r\nhello\r\n0\r\n\r\n",
        "0x5": b"0x5\r\nhello\r\n0\r\n\r\n",
        "a space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
        "a space behind the size": b"5 \r\nhello\r\n0\r\n\r\n",
        "a tab behind the size": b"5\t\r\nhello\r\n0\r\n\r\n",
        "no size": b"\r\nhello\r\n0\r\n\r\n",
        "a size that is no number": b"g\r\nhello\r\n0\r\n\r\n",
        "5_0": b"5_0\r\nhello\r\n0\r\n\r\n",
        "a size of 2^64 + 5": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
        "NUL behind the size": b"5\x00\r\nhello\r\n0\r\n\r\n",
        "a bare LF behind the size": b"5\nhello\r\n0\r\n\r\n",
        "a bare CR behind the size": b"5\rhello\r\n0\r\n\r\n",
        "CR CR LF behind the size": b"5\r\r\nhello\r\n0\r\n\r\n",
        "a chunk that is longer": b"5\r\nhello!\r\n0\r\n\r\n",
        "a chunk that is shorter": b"5\r\nhell\r\n0\r\n\r\n",
        "a bare LF behind the data": b"5\r\nhello\n0\r\n\r\n",
        "a bare CR behind the data": b"5\r\nhello\r0\r\n\r\n",
        "nothing behind the data": b"5\r\nhello0\r\n\r\n",
        "a bare LF behind the last size": b"5\r\nhello\r\n0\n\r\n",
        "a bare LF at the end": b"5\r\nhello\r\n0\r\n\n",
        "a bare LF in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
        "a bare CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        "NUL in an extension": b"5;a\x00b\r\nhello\r\n0\r\n\r\n",
        "an extension without its semicolon": b"5 a=b\r\nhello\r\n0\r\n\r\n",
        "a trailer without a colon": b"5\r\nhello\r\n0\r\nX\r\n\r\n",
        "a trailer with obs-fold": b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n",
        "a trailer with a space before its colon": b"5\r\nhello\r\n0\r\nX : a\r\n\r\n",
        "a trailer with NUL": b"5\r\nhello\r\n0\r\nX: a\x00\r\n\r\n",
        "a trailer with a bare LF": b"5\r\nhello\r\n0\r\nX: a\nY: b\r\n\r\n",
        "a trailer that is a request line": b"5\r\nhello\r\n0\r\n" + NEXT,
    }.items()
}

ARRIVES = b"POST /model/m/converse HTTP/1.1\r\nHost: <it>\r\n"
AWS = b"bedrock-runtime.us-east-1.amazonaws.com"

TRAILERS = "extensions and trailers"
"""The one of those below behind which a connection is not kept."""

PASSED = {
    "empty lines before a request": (b"\r\n\r\n" + FIVE + b"\r\nhello", ARRIVES + b"Content-Length: 5\r\n\r\nhello"),
    "a body that looks like a request": (
        POST + b"Content-Length: %d\r\n\r\n" % len(INNER) + INNER,
        ARRIVES + b"Content-Length: %d\r\n\r\n" % len(INNER) + INNER,
    ),
    "a chunk that looks like a request": (
        CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER),
        ARRIVES + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER),
    ),
    "zeros before a length": (POST + b"Content-Length: 0005\r\n\r\nhello", ARRIVES + b"Content-Length: 0005\r\n\r\nhello"),
    "spaces and tabs around a length": (POST + b"Content-Length:\t 5 \t\r\n\r\nhello", ARRIVES + b"Content-Length: 5\r\n\r\nhello"),
    "a body with GET": (
        b"GET /x HTTP/1.1\r\nHost: <us>\r\nContent-Length: 5\r\n\r\nhello",
        b"GET /x HTTP/1.1\r\nHost: <it>\r\nContent-Length: 5\r\n\r\nhello",
    ),
    "chunked in another case": (
        POST + b"transfer-encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ARRIVES + b"transfer-encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    "sizes in both cases and with zeros before": (
        CHUNKED + b"000A\r\n0123456789\r\n0a\r\n0123456789\r\n000\r\n\r\n",
        ARRIVES + b"Transfer-Encoding: chunked\r\n\r\n000A\r\n0123456789\r\n0a\r\n0123456789\r\n000\r\n\r\n",
    ),
    TRAILERS: (
        CHUNKED + b'5;a;b=c;d="e\\"; f"\r\nhello\r\n0;z\r\nX-Sum: 1\r\n\r\n',
        ARRIVES + b'Transfer-Encoding: chunked\r\n\r\n5;a;b=c;d="e\\"; f"\r\nhello\r\n0;z\r\nX-Sum: 1\r\n\r\n',
    ),
    "a header that only looks like a coding": (
        FIVE + b"Transfer_Encoding: chunked\r\n\r\nhello",
        ARRIVES + b"Content-Length: 5\r\nTransfer_Encoding: chunked\r\n\r\nhello",
    ),
    "a second colon": (FIVE + b"X:Y: z\r\n\r\nhello", ARRIVES + b"Content-Length: 5\r\nX: Y: z\r\n\r\nhello"),
    "values of no bytes and of bytes that are no ASCII": (
        FIVE + b"X:\r\nY: \xe4\tz\r\n\r\nhello",
        ARRIVES + b"Content-Length: 5\r\nX: \r\nY: \xe4\tz\r\n\r\nhello",
    ),
    "a connection header that names the framing": (
        FIVE + b"Connection: content-length, host\r\n\r\nhello",
        ARRIVES + b"Content-Length: 5\r\n\r\nhello",
    ),
    "a host of no bytes": (
        b"POST /model/m/converse HTTP/1.1\r\nHost:\r\nContent-Length: 5\r\n\r\nhello",
        ARRIVES + b"Content-Length: 5\r\n\r\nhello",
    ),
    "an absolute target and another host": (
        b"POST http://" + AWS + b"/model/m/converse HTTP/1.1\r\nHost: other.example\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /model/m/converse HTTP/1.1\r\nHost: " + AWS + b"\r\nContent-Length: 5\r\n\r\nhello",
    ),
    "a path that looks like a host": (
        b"POST //other.example/x HTTP/1.1\r\nHost: <us>\r\nContent-Length: 5\r\n\r\nhello",
        b"POST //other.example/x HTTP/1.1\r\nHost: <it>\r\nContent-Length: 5\r\n\r\nhello",
    ),
}

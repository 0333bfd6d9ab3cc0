"""The real SDKs, pointed straight at a scripted upstream, without retries."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import boto3
import openai
from botocore.config import Config

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
"""The example pair of AWS's own documentation."""

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
QUESTION: Any = [{"role": "user", "content": [{"text": "How high is the river?"}]}]
CHAT: Any = [{"role": "user", "content": "How high is the river?"}]


@contextmanager
def aws(url: str, service: str = "bedrock-runtime", secret: str = SECRET, **config: Any) -> Iterator[Any]:
    """A boto3 client."""
    settings = Config(retries={"total_max_attempts": 1}, read_timeout=10, **config)
    session = boto3.session.Session(KEY, secret, region_name="us-east-1")
    client = session.client(service, endpoint_url=url, config=settings)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def bedrock_anthropic(url: str) -> Iterator[anthropic.AnthropicBedrock]:
    """Anthropic's Bedrock client."""
    with anthropic.AnthropicBedrock(
        aws_access_key=KEY, aws_secret_key=SECRET, aws_region="us-east-1", base_url=url, max_retries=0
    ) as client:
        yield client


@contextmanager
def messages_anthropic(url: str) -> Iterator[anthropic.Anthropic]:
    """Anthropic's plain client, as for Bedrock's Messages route."""
    with anthropic.Anthropic(api_key="placeholder", base_url=f"{url}/anthropic", max_retries=0) as client:
        yield client


@contextmanager
def chat_openai(url: str) -> Iterator[openai.OpenAI]:
    """OpenAI's client, as for Bedrock's chat route."""
    with openai.OpenAI(api_key="placeholder", base_url=f"{url}/openai/v1", max_retries=0) as client:
        yield client


def connect(url: str, context: ssl.SSLContext | None = None) -> socket.socket:
    """A plain connection, for what no SDK would send."""
    host, port = url.removeprefix("https://").removeprefix("http://").split(":")
    sock = socket.create_connection((host, int(port)), timeout=10)
    return context.wrap_socket(sock, server_hostname=host) if context else sock


def request(path: str, body: bytes = b"{}", *more: str, method: str = "POST") -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: upstream", f"Content-Length: {len(body)}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def read_all(sock: socket.socket) -> bytes:
    """Everything until the other side closes. Raises ``ConnectionResetError`` for a reset."""
    pieces = []
    while piece := sock.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def read_until(sock: socket.socket, end: bytes) -> bytes:
    """Everything until these bytes came."""
    data = b""
    while end not in data:
        piece = sock.recv(65536)
        assert piece, f"closed after {data!r}"
        data += piece
    return data

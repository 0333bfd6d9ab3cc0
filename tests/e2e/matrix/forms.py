"""Where an application can be told that the proxy is: as the service's base URL or as the HTTP proxy, each without and with TLS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from streamgauge.certificates import Issuer, new_ca
from tests.e2e.matrix.callers import Caller
from tests.e2e.product import Product

Form = Literal["base URL", "TLS base URL", "forward proxy", "CONNECT"]

FORMS: tuple[Form, ...] = ("base URL", "TLS base URL", "forward proxy", "CONNECT")

PLAIN_URL, TLS_URL = "http://127.0.0.1:8787", "https://127.0.0.1:8443"
"""As which the documentation knows the proxy."""

HTTPX = frozenset({"anthropic", "openai", "litellm"})
"""Packages that call through httpx; the other Python ones call through botocore."""


@dataclass(frozen=True)
class Place:
    """A proxy: its two addresses as URLs, and the certificate of the CA behind the second one."""

    plain: str = PLAIN_URL
    tls: str = TLS_URL
    ca_file: str = "ca.pem"


def is_base_url(form: Form) -> bool:
    """Whether the application takes the proxy for the service itself."""
    return form in ("base URL", "TLS base URL")


def is_secure(form: Form) -> bool:
    """Whether the application speaks TLS."""
    return form in ("TLS base URL", "CONNECT")


def trusted_by(caller: Caller) -> str:
    """The variable from which the SDK takes the authorities that it trusts."""
    if caller.runs_on == "node":
        return "NODE_EXTRA_CA_CERTS"
    return "SSL_CERT_FILE" if HTTPX.intersection(caller.packages) else "AWS_CA_BUNDLE"


def environ(caller: Caller, form: Form, place: Place) -> dict[str, str]:
    """The variables that lead an application to the proxy."""
    scheme = "https" if is_secure(form) else "http"
    trust = {trusted_by(caller): place.ca_file} if is_secure(form) else {}
    if is_base_url(form):
        return {caller.variable: (place.tls if is_secure(form) else place.plain) + caller.path} | trust
    # Node.js takes the proxy variables of the environment only if it is told to.
    proxied = {f"{scheme.upper()}_PROXY": place.plain} | ({"NODE_USE_ENV_PROXY": "1"} if caller.runs_on == "node" else {})
    return {caller.variable: f"{scheme}://{caller.service.host}{caller.path}"} | proxied | trust


def settings(folder: Path) -> dict[str, Any]:
    """What a proxy needs for all forms: certificates, which are made here, and a second address."""
    ca = new_ca("matrix", 2, ["amazonaws.com", "api.aws"], ["127.0.0.1"])
    served = Issuer(ca).issue(["127.0.0.1"])
    for name, content in (("ca.pem", ca.cert), ("ca.key", ca.key), ("cert.pem", served.cert), ("cert.key", served.key)):
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    return {
        "listen_tls": ("127.0.0.1:0",),
        "tls__cert_file": str(folder / "cert.pem"),
        "tls__key_file": str(folder / "cert.key"),
        "connect__ca_cert_file": str(folder / "ca.pem"),
        "connect__ca_key_file": str(folder / "ca.key"),
    }


def place_of(product: Product, folder: Path) -> Place:
    """Where that proxy is, with the settings made in that folder."""
    return Place(product.url, f"https://{product.supervisor.tls_addresses[0]}", str(folder / "ca.pem"))

"""Money: whole pico-dollars (1e-12 $) per component, added exactly, written as a decimal text once.

Every list price seen has at most six decimals of dollars per million tokens, which is a whole number of pico-dollars per token.
A price that is finer (a discount of a third) is kept as a fraction, and the component's amount is rounded once, half up.
"""

from __future__ import annotations

import re
from decimal import Decimal, localcontext
from fractions import Fraction

PICO = 10**12
"""Pico-dollars of a dollar."""

PRICE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,12})?")
"""What a price may look like: no sign, no exponent, no thousands separator; up to a billion dollars in pico-dollar steps."""


def pico_per_unit(usd: str, per: int) -> Fraction:
    """A price of ``usd`` dollars for ``per`` units as pico-dollars of one unit, exactly."""
    return Fraction(usd) * PICO / per


def amount(quantity: int, pico: Fraction) -> int:
    """What ``quantity`` units cost, in whole pico-dollars; half a pico-dollar is rounded up. Neither may be negative."""
    whole = pico.denominator
    if whole == 1:
        return quantity * pico.numerator
    return (2 * quantity * pico.numerator + whole) // (2 * whole)


def usd_text(pico: int) -> str:
    """The amount in dollars, every digit of it, without an exponent and without zeros at the end: ``0.010791``."""
    sign, magnitude = ("-", -pico) if pico < 0 else ("", pico)
    whole, rest = divmod(magnitude, PICO)
    digits = f"{rest:012d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def discounted(pico: Fraction, percent: str) -> Fraction:
    """A price less so many percent, exactly."""
    return pico * (100 - Fraction(percent)) / 100


def price_text(pico: Fraction, per: int) -> str:
    """Dollars for ``per`` units as a text; of a price that no decimal can show, twelve decimals."""
    usd = pico * per / PICO
    with localcontext() as context:
        context.prec = 40
        value = (Decimal(usd.numerator) / Decimal(usd.denominator)).quantize(Decimal("1e-12"))
    return f"{value:f}".rstrip("0").rstrip(".")


_USD = re.compile(r"(-?)(\d{1,15})(?:\.(\d{1,12}))?")


def pico_of(usd: str) -> int | None:
    """The inverse of ``usd_text``: whole pico-dollars of an amount in dollars; ``None`` for a text that is none."""
    match = _USD.fullmatch(usd)
    if match is None:
        return None
    sign, whole, rest = match.groups()
    pico = int(whole) * PICO + int((rest or "").ljust(12, "0"))
    return -pico if sign else pico

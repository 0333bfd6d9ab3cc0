from __future__ import annotations

from streamgauge.pricing.facts import Exchange, Facts
from streamgauge.records import Measurement


def test_a_measurement_has_everything_that_a_price_depends_on() -> None:
    wanted = {name for name in vars(Exchange) if not name.startswith("_")}
    assert wanted <= set(Measurement.__struct_fields__)
    assert wanted | {"units"} == set(Facts.__struct_fields__)

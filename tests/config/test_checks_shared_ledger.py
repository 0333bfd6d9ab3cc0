from __future__ import annotations

from pathlib import Path

import pytest

from streamgauge.config import load
from streamgauge.config.mistakes import SettingsMistaken

SECRET = "hush-hush"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"shared_ledger.url": f"postgresql://u:{SECRET}@h/d"}, "shared_ledger.url: holds a password: put it into the file"),
        ({"shared_ledger.url": f"mysql://u:{SECRET}@h/d"}, "shared_ledger.url: is no address of PostgreSQL"),
        ({"shared_ledger.url": "postgresql://h"}, "shared_ledger.url: names no database"),
        ({"shared_ledger.password_file": "/nowhere/at-all"}, "shared_ledger.password_file: names no file"),
        ({"shared_ledger.batch_rows": 0}, "shared_ledger.batch_rows: 0 - must be above zero"),
    ],
)
def test_a_shared_ledger_that_cannot_work_is_a_mistake_and_no_secret_is_shown(settings: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsMistaken) as refused:
        load(None, settings)
    assert said in str(refused.value)
    assert SECRET not in str(refused.value)


def test_one_that_can_work_is_none(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x", encoding="utf-8")
    given = {
        "shared_ledger.url": "postgresql://u@h:5432/d?sslmode=verify-full",
        "shared_ledger.password_file": str(tmp_path / "password"),
        "shared_ledger.days": 0.0,
    }
    shared = load(None, given).shared_ledger
    assert (shared.url, shared.batch_rows) == (given["shared_ledger.url"], 1000)

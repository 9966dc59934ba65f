"""How long things are kept: what can be said, and what is meant without a word."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from dialplane.config import Settings
from dialplane.core.retention import Retention, parse_kept
from dialplane.errors import Invalid


@pytest.mark.parametrize(
    ("text", "kept"),
    [("90d", timedelta(days=90)), ("12h", timedelta(hours=12)), ("3650D", timedelta(days=3650)), ("forever", None)],
)
def test_a_time_is_hours_days_or_for_ever(text: str, kept: timedelta | None) -> None:
    assert parse_kept("x", text) == kept


@pytest.mark.parametrize("text", ["", "0d", "0h", "90", "-1d", "1.5d", "90 days", "never", "999999d"])
def test_anything_else_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(Invalid, match="DIALPLANE_KEEP_EVENTS must be like 90d or 12h, an hour at the least"):
        parse_kept("DIALPLANE_KEEP_EVENTS", text)


def test_each_has_a_variable_of_its_own(tmp_path: Path) -> None:
    env = {"DIALPLANE_HOME": str(tmp_path), "DIALPLANE_KEEP_TRANSCRIPTS": "90d", "DIALPLANE_KEEP_UPLOADS": "forever"}

    assert Settings.from_env(env).keep == Retention(transcripts=timedelta(days=90), uploads=None)
    assert Settings.from_env({"DIALPLANE_HOME": str(tmp_path)}).keep == Retention()

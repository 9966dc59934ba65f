"""Ended attempts -> the lines of Dograh's report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from dialplane.api.contracts.dograh.dispositions import call_tags
from dialplane.api.contracts.dograh.run_models import whole_seconds
from dialplane.api.links import artifact_url
from dialplane.core.disposition import Disposition
from dialplane.engine.attempt_views import talk_seconds
from dialplane.engine.reports import csv_text, defused, headed
from dialplane.store.postgres import Row

BEGINNING = (
    "Run ID", "Campaign ID", "Agent ID", "Agent Definition ID", "Created At", "Phone Number", "Call Disposition",
    "Call Duration (s)",
)  # fmt: skip
END = ("Call Tags", "Transcript URL", "Recording URL", "Contact", "Outcome", "Summary")
LONGEST_SUMMARY = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTable:
    """fields: what the agent gathers, a column each between Dograh's own. variables: the contact's, at the end.

    token: what opens the recording and transcript of an attempt, by its uuid. base: how this server is reached.
    """

    fields: Sequence[str]
    variables: Sequence[str]
    base: str
    token: Callable[[UUID], str]

    def headings(self) -> str:
        fields = headed(self.fields, "gathered", [*BEGINNING, *END])
        variables = headed(self.variables, "contact", [*BEGINNING, *END, *self.fields])
        return csv_text([[*BEGINNING, *fields, *END, *variables]])

    def lines(self, page: Sequence[Row]) -> str:
        return csv_text(self._line(row) for row in page)

    def _line(self, row: Row) -> list[Any]:
        disposition = row["disposition"]
        said, recording = row["conversation"], row["recording"]
        token = self.token(row["uuid"]) if said or recording else ""
        return [
            row["id"],
            row["campaign_id"],
            row["agent_id"],
            row["agent_version_id"],
            row["created_at"].isoformat(timespec="milliseconds"),
            row["to_number"],
            disposition,
            whole_seconds(talk_seconds(row["answered_at"], row["ended_at"])),
            *map(defused, row["gathered"]),
            ", ".join(call_tags(Disposition(disposition))),
            artifact_url(self.base, token, "transcript") if said else None,
            artifact_url(self.base, token, "recording") if recording else None,
            defused(row["external_id"]) or row["to_number"],
            disposition,
            defused(row["summary"] or _short(said)),
            *map(defused, row["variables"]),
        ]


def _short(said: str | None) -> str | None:
    """
    >>> _short("agent: Hello" + "!" * 300)[-4:]
    '!!!…'
    """
    return said if said is None or len(said) <= LONGEST_SUMMARY else said[: LONGEST_SUMMARY - 1] + "…"

"""The query parameters of run lists -> a page, and which attempts."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Path, Query

from dialplane.api.contracts.dograh.run_filters import HIGHEST_ID, RunFilter, run_filter, usage_filter
from dialplane.core.disposition import Disposition
from dialplane.engine.attempt_views import Paging

Id = Annotated[int, Path(ge=1, le=HIGHEST_ID)]
PageNumber = Annotated[int, Query(ge=1, le=2**31 - 1, description="Counted from 1")]
Limit = Annotated[int, Query(ge=1, le=100, description="Runs on a page")]
SortBy = Annotated[str | None, Query(max_length=100, description="`duration`; anything else is when it was made")]
SortOrder = Annotated[str | None, Query(max_length=100, description="`asc`; anything else is descending")]
Before = Annotated[
    int | None,
    Query(ge=1, le=HIGHEST_ID, description="Only runs with a lower id: pages that stay put while calls go on"),
]
RunFilters = Annotated[
    str | None,
    Query(
        max_length=10_000,
        description="A list of criteria as JSON: dateRange, dispositionCode, duration, status, tokenUsage",
        examples=['[{"attribute":"dispositionCode","type":"multiSelect","value":{"codes":["busy"]}}]'],
    ),
]
UsageFilters = Annotated[
    str | None,
    Query(
        max_length=10_000,
        description="A list of criteria as JSON: runId, workflowId, campaignId, callerNumber, calledNumber, "
        "dispositionCode, duration, callDirection, callChannel",
        examples=['[{"attribute":"campaignId","type":"number","value":{"value":7}}]'],
    ),
]
Dispositions = Annotated[list[Disposition] | None, Query(max_length=50, description="Ended as any of these")]
IsEnded = Annotated[bool | None, Query(description="false: those in progress")]


def paging(
    page: PageNumber = 1,
    limit: Limit = 50,
    sort_by: SortBy = None,
    sort_order: SortOrder = "desc",
    before: Before = None,
) -> Paging:
    return Paging(
        skip=(page - 1) * limit,
        limit=limit,
        by_duration=sort_by == "duration",
        ascending=sort_order == "asc",
        before=before,
    )


def wanted_runs(filters: RunFilters = None, disposition: Dispositions = None, ended: IsEnded = None) -> RunFilter:
    """Dograh's criteria, and ours beside them: all must be met. Raises Invalid, HTTPException."""
    found = run_filter(filters)
    attempts = found.attempts
    if disposition is not None:
        among = frozenset(disposition)
        if attempts.dispositions is not None:
            among &= attempts.dispositions
        attempts = replace(attempts, dispositions=among)
    if ended is not None:
        contrary = attempts.ended is not None and attempts.ended != ended
        attempts = replace(attempts, ended=ended, dispositions=frozenset() if contrary else attempts.dispositions)
    return replace(found, attempts=attempts)


def wanted_usage(filters: UsageFilters = None) -> RunFilter:
    """Raises Invalid."""
    return usage_filter(filters)


PagingDep = Annotated[Paging, Depends(paging)]
RunsDep = Annotated[RunFilter, Depends(wanted_runs)]
UsageDep = Annotated[RunFilter, Depends(wanted_usage)]

"""What came of a campaign's calls: rates, lengths, answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from dialplane.api.shapes import Id
from dialplane.engine.results import LATEST, CampaignResults, Share, VersionResults
from dialplane.web.route import PageRoute
from dialplane.web.visit import Viewing

MOST_ROWS = 25  # of one table
MOST_COMPARED = 5  # answers of one field
BOUNDS = (0, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600)  # seconds of talk
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HEATS = 6

router = APIRouter(route_class=PageRoute, prefix="/campaigns/{campaign_id}/results")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Calls of one hour of one weekday. heat: 1 to HEATS by the share that was answered; 0: no call."""

    share: Share
    heat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What versions of the agent have gathered under one name. answers: the most frequent ones, each by version.

    totals: of all answers, by version.
    """

    name: str
    answers: Sequence[tuple[str, Sequence[int]]]
    totals: Sequence[int]


@router.get("")
async def show_results(campaign_id: Id, visit: Viewing) -> HTMLResponse:
    record = await visit.app.campaigns.get(campaign_id)
    results = await visit.app.results.campaign(campaign_id)
    return visit.page(
        "results.html",
        record=record,
        results=results,
        week=_week(results),
        hours=[
            (hour, sum((results.hours.get((day, hour), Share()) for day in range(7)), Share())) for hour in range(24)
        ],
        lengths=list(zip(_spans(), results.talk.spans(BOUNDS), strict=True)),
        compared=_compared(results.versions),
        most=MOST_ROWS,
        latest=LATEST,
    )


def _compared(versions: Sequence[VersionResults]) -> list[Compared]:
    by_version = [{field.name: field for field in each.fields} for each in versions]
    compared = []
    for name in sorted({name for fields in by_version for name in fields}):
        counts = [dict(fields[name].answers) if name in fields else {} for fields in by_version]
        together = sum((Counter(each) for each in counts), Counter[str]())
        compared.append(
            Compared(
                name=name,
                answers=[
                    (value, [each.get(value, 0) for each in counts]) for value, _ in together.most_common(MOST_COMPARED)
                ],
                totals=[fields[name].total if name in fields else 0 for fields in by_version],
            )
        )
    return compared


def _week(results: CampaignResults) -> list[tuple[str, list[Cell]]]:
    return [
        (name, [_cell(results.hours.get((day, hour), Share())) for hour in range(24)]) for day, name in enumerate(DAYS)
    ]


def _cell(share: Share) -> Cell:
    heat = min(HEATS, 1 + int(HEATS * share.answered / share.placed)) if share.placed else 0
    return Cell(share=share, heat=heat)


def _spans() -> list[str]:
    return [*(f"{start} to {end} s" for start, end in pairwise(BOUNDS)), f"{BOUNDS[-1]} s or more"]

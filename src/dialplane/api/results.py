"""`/campaign/{id}/results`: what came of a campaign's calls, all of them and by version of its agent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from fastapi import APIRouter
from pydantic import BaseModel, Field

from dialplane.api.access import ViewerApp
from dialplane.api.route import Route
from dialplane.api.shapes import Id
from dialplane.core.splitting import AgentSplit
from dialplane.engine import results
from dialplane.engine.results import CampaignResults, VersionResults

router = APIRouter(route_class=Route, tags=["reports"])


class Share(BaseModel):
    """Calls that have ended."""

    attempts: int
    placed: int = Field(description="Of these, accepted by the carrier")
    answered: int = Field(description="Of these, by a person")
    answer_rate: float = Field(description="Of the calls that were placed; 0 without one", examples=[0.42])


class Answer(BaseModel):
    value: str
    calls: int
    share: float = Field(description="Of all answers of the field")


class Gathered(BaseModel):
    """What the agent gathered under one name."""

    name: str
    total: int
    different: int
    answers: list[Answer] = Field(description=f"The most frequent ones, {results.MOST_ANSWERS} at most")


class Version(Share):
    """The calls with one version of the agent."""

    version: int
    weight: int | None = Field(description="In the campaign's split; null: it has none there, now")
    contacts: int = Field(description="Whose last call so far was with it")
    reached: int = Field(description="Of these")
    reached_rate: float
    talk_seconds: float | None = Field(description="Mean of the calls that were picked up; null without one")
    cost: float | None = Field(description="Of the agent's services; null where nobody knows it")
    gathered: list[Gathered]

    @classmethod
    def of(cls, found: VersionResults, split: AgentSplit) -> Self:
        return cls(
            **_share(found.share).model_dump(),
            version=found.version,
            weight=split.weights.get(found.version),
            contacts=found.contacts,
            reached=found.reached,
            reached_rate=_rate(found.reached, found.contacts),
            talk_seconds=None if found.talk_seconds is None else round(found.talk_seconds, 3),
            cost=found.cost,
            gathered=_gathered(found.fields),
        )


class Results(Share):
    """Of a campaign's calls that have ended. What was gathered is of the latest 100,000 of them."""

    campaign_id: int
    counted_at: datetime
    dispositions: dict[str, int]
    labels: dict[str, int] = Field(description="Calls by the agent's own word for what came of them")
    cost: float | None = Field(description="Of the agent's services; null where nobody knows it")
    gathered: list[Gathered]
    versions: list[Version] = Field(description="Of the agent, those that were called with, the lowest first")

    @classmethod
    def of(cls, campaign_id: int, found: CampaignResults, split: AgentSplit) -> Self:
        return cls(
            **_share(found.total).model_dump(),
            campaign_id=campaign_id,
            counted_at=found.at,
            dispositions=dict(found.dispositions),
            labels=dict(found.labels),
            cost=found.cost,
            gathered=_gathered(found.fields),
            versions=[Version.of(each, split) for each in found.versions],
        )


@router.get("/campaign/{campaign_id}/results")
async def get_campaign_results(app: ViewerApp, campaign_id: Id) -> Results:
    """What came of its calls, counted from all of them: seconds for a million, and kept for a while."""
    campaign = await app.campaigns.get(campaign_id)
    return Results.of(campaign_id, await app.results.campaign(campaign_id), campaign.policies.split)


def _share(share: results.Share) -> Share:
    return Share(
        attempts=share.calls,
        placed=share.placed,
        answered=share.answered,
        answer_rate=_rate(share.answered, share.placed),
    )


def _gathered(fields: Sequence[results.Field]) -> list[Gathered]:
    return [
        Gathered(
            name=field.name,
            total=field.total,
            different=field.different,
            answers=[
                Answer(value=value, calls=calls, share=_rate(calls, field.total)) for value, calls in field.answers
            ],
        )
        for field in fields
    ]


def _rate(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0

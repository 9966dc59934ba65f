"""Webhooks: signed messages about what happens, to a server of the caller's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field

from dialplane.api.access import OwnerApp, ServerDep, ViewerApp
from dialplane.api.shapes import Id, PageLimit, Tolerant
from dialplane.core.webhook import check_kinds
from dialplane.engine.webhooks import WithSecret
from dialplane.errors import Invalid
from dialplane.store.postgres import Row

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2000,
        description="Where messages go, by POST. Redirects are not followed.",
        examples=["https://example.org/hooks/dialplane"],
    ),
]


def _known(kinds: list[str]) -> list[str]:
    """For a kind that does not exist nothing would ever be sent: 422, and not 400."""
    try:
        check_kinds(kinds)
    except Invalid as fault:
        raise ValueError(str(fault)) from fault
    return kinds


Kinds = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=100)]],
    AfterValidator(_known),
    Field(
        max_length=100,
        description="Events that it hears of: `attempt.ended`, a group such as `campaign.*`, or `*`. None is all.",
        examples=[["attempt.ended", "campaign.*"]],
    ),
]
Secret = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="`whsec_` and 24 to 64 bytes in base64, as Standard Webhooks has it. Left out: one is made.",
    ),
]
Before = Annotated[Id | None, Query(description="Older ones than this: the `next_before` of the page before.")]


class NewWebhook(Tolerant):
    url: Url
    kinds: Kinds = Field(default_factory=list)
    secret: Secret | None = None


class WebhookChange(Tolerant):
    """What is left out stays as it is."""

    url: Url | None = None
    kinds: Kinds | None = None
    active: bool | None = Field(
        default=None, description="Whether messages are sent. Activated again, it begins at now."
    )


class NewSecret(Tolerant):
    secret: Secret | None = None


class WebhookView(BaseModel):
    id: int
    uuid: UUID
    url: str
    format: str = Field(description="Of its messages: `standard`, or that of the contract under which it was made.")
    kinds: list[str]
    active: bool
    inactive_reason: str = Field(description="Why nothing is sent; empty while it is active.")
    failures: int = Field(description="Tries in a row that failed.")
    old_secret_until: datetime | None = Field(description="Until then the secret before this one signs as well.")
    created_at: datetime
    updated_at: datetime
    warnings: list[str] = Field(default_factory=list)

    @classmethod
    def of(cls, row: Row, **more: Any) -> Self:
        return cls.model_validate({name: row[name] for name in WebhookView.model_fields if name in row} | more)


class WebhookWithSecret(WebhookView):
    secret: str = Field(description="Signs the messages. It is shown this once.")

    @classmethod
    def made(cls, made: WithSecret, warnings: list[str]) -> Self:
        return cls.of(made.webhook, secret=made.secret, warnings=warnings)


class WebhookPage(BaseModel):
    webhooks: list[WebhookView]
    next_before: int | None = Field(description="For the page after this one; null on the last.")


class DeliveryView(BaseModel):
    id: int
    message_id: UUID = Field(description="The `webhook-id` header: the same at every try, so that doubles can be told.")
    kind: str
    subject: str = Field(description="Messages with the same subject are delivered in order.", examples=["attempt:7"])
    state: Literal["pending", "delivered", "dead"] = Field(description="`dead`: given up; it can be delivered again.")
    tries: int
    status: int | None = Field(description="HTTP status of the last answer; null where there was none.")
    fault: str = Field(description="Why the last try failed.")
    created_at: datetime
    tried_at: datetime | None
    next_try_at: datetime | None = Field(
        description="Null while it is being sent, behind an older message with its subject, and once it is over."
    )

    @classmethod
    def of(cls, row: Row) -> Self:
        plain = {name: row[name] for name in DeliveryView.model_fields if name not in ("message_id", "next_try_at")}
        waits = row["state"] == "pending" and row["claim"] is None
        return cls.model_validate(
            {
                **plain,
                "message_id": row["uuid"],
                "next_try_at": row["due_at"] if waits else None,
                "message": row["body"],
            }
        )


class WholeDelivery(DeliveryView):
    message: Any = Field(description="What is sent.")

    @classmethod
    def of(cls, row: Row) -> Self:
        return super().of({**row, "body": json.loads(row["body"])})


class DeliveryPage(BaseModel):
    deliveries: list[DeliveryView]
    next_before: int | None = Field(description="For the page after this one; null on the last.")


class Redelivered(BaseModel):
    redelivered: int = Field(description="How many go out again; at 10,000 there may be more: ask once more.")


class DeletedWebhook(BaseModel):
    deleted: bool = True


@router.post("")
async def create_webhook(body: NewWebhook, app: OwnerApp, server: ServerDep) -> WebhookWithSecret:
    """Send messages about what happens from now on to a URL."""
    made = await server.webhooks(app.organization_id).create(body.url, body.kinds, body.secret)
    return WebhookWithSecret.made(made, body.unknown())


@router.get("")
async def list_webhooks(app: OwnerApp, server: ServerDep, before: Before = None, limit: PageLimit = 100) -> WebhookPage:
    """The webhooks, newest first."""
    page = await server.webhooks(app.organization_id).page(before=before, limit=limit)
    return WebhookPage(webhooks=[WebhookView.of(row) for row in page], next_before=_next(page, limit))


@router.get("/{webhook_id}")
async def get_webhook(webhook_id: Id, app: OwnerApp, server: ServerDep) -> WebhookView:
    """One webhook."""
    return WebhookView.of(await server.webhooks(app.organization_id).get(webhook_id))


@router.patch("/{webhook_id}")
async def change_webhook(webhook_id: Id, body: WebhookChange, app: OwnerApp, server: ServerDep) -> WebhookView:
    """Change where messages go and what they are about, or switch it off and on."""
    changed = await server.webhooks(app.organization_id).change(
        webhook_id, url=body.url, kinds=body.kinds, active=body.active
    )
    return WebhookView.of(changed, warnings=body.unknown())


@router.delete("/{webhook_id}")
async def delete_webhook(webhook_id: Id, app: OwnerApp, server: ServerDep) -> DeletedWebhook:
    """Send nothing further; pending messages are dropped."""
    await server.webhooks(app.organization_id).delete(webhook_id)
    return DeletedWebhook()


@router.post("/{webhook_id}/rotate-secret")
async def rotate_webhook_secret(
    webhook_id: Id, app: OwnerApp, server: ServerDep, body: NewSecret | None = None
) -> WebhookWithSecret:
    """Sign with a new secret; for 24 hours messages carry a signature by the old one as well."""
    body = body or NewSecret()
    made = await server.webhooks(app.organization_id).rotate(webhook_id, body.secret)
    return WebhookWithSecret.made(made, body.unknown())


@router.post("/{webhook_id}/test")
async def test_webhook(webhook_id: Id, app: OwnerApp, server: ServerDep) -> DeliveryView:
    """Send a `webhook.test` message; what becomes of it is among the deliveries."""
    return DeliveryView.of(await server.webhooks(app.organization_id).test(webhook_id))


@router.get("/{webhook_id}/deliveries")
async def list_deliveries(
    webhook_id: Id,
    app: ViewerApp,
    server: ServerDep,
    state: Literal["pending", "delivered", "dead"] | None = None,
    before: Before = None,
    limit: PageLimit = 100,
) -> DeliveryPage:
    """What was sent and what became of it, newest first; kept for 30 days."""
    page = await server.webhooks(app.organization_id).deliveries(webhook_id, state=state, before=before, limit=limit)
    return DeliveryPage(deliveries=[DeliveryView.of(row) for row in page], next_before=_next(page, limit))


@router.get("/{webhook_id}/deliveries/{delivery_id}")
async def get_delivery(webhook_id: Id, delivery_id: Id, app: ViewerApp, server: ServerDep) -> WholeDelivery:
    """One delivery, with its message."""
    return WholeDelivery.of(await server.webhooks(app.organization_id).delivery(webhook_id, delivery_id))


@router.post("/{webhook_id}/deliveries/{delivery_id}/redeliver")
async def redeliver(webhook_id: Id, delivery_id: Id, app: OwnerApp, server: ServerDep) -> DeliveryView:
    """Send the same message again, now, whatever has become of it."""
    return DeliveryView.of(await server.webhooks(app.organization_id).redeliver(webhook_id, delivery_id))


@router.post("/{webhook_id}/redeliver-dead")
async def redeliver_dead(webhook_id: Id, app: OwnerApp, server: ServerDep) -> Redelivered:
    """Send every message again that was given up, oldest first."""
    return Redelivered(redelivered=await server.webhooks(app.organization_id).redeliver_dead(webhook_id))


def _next(page: Sequence[Row], limit: int) -> int | None:
    return page[-1]["id"] if len(page) == limit else None

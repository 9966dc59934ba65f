"""`/user-webhooks`: messages about calls and campaigns, in DialNexa's format, to a server of the caller's own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from dialplane.api.access import OwnerApp, ServerDep
from dialplane.api.contracts.dialnexa import ids
from dialplane.api.contracts.dialnexa.shapes import FURTHEST_PAGE, MOST_ON_A_PAGE, Message, Meta
from dialplane.api.route import Route
from dialplane.api.shapes import Tolerant
from dialplane.errors import NotFound
from dialplane.store.postgres import Row
from dialplane.wiring import App, Server

FORMAT: Final = "dialnexa"

router = APIRouter(prefix="/user-webhooks", tags=["webhooks"], route_class=Route)

WebhookId = Annotated[str, Path(max_length=ids.LONGEST, examples=["hook_1b4e28ba2fa111d2883f0016d3cca427"])]
Url = Annotated[str, Field(min_length=1, max_length=2000, examples=["https://example.org/hooks/dialnexa"])]
Events = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=100)]],
    Field(
        max_length=20,
        description="call.completed, call.failed, call.no_answer, campaign.completed, campaign.paused; "
        "workflow.lead.completed can be asked for, and never happens. None is all.",
        examples=[["call.completed", "campaign.completed"]],
    ),
]
Secret = Annotated[
    str, Field(min_length=1, max_length=200, description="The key of X-DialNexa-Signature. Left out: one is made.")
]


class CreateWebhook(Tolerant):
    url: Url
    events: Events = Field(default_factory=list)
    secret: Secret | None = None
    is_active: bool = True


class UpdateWebhook(Tolerant):
    """What is left out stays as it is."""

    url: Url | None = None
    events: Events | None = None
    secret: Secret | None = Field(None, description="Signs from the next message on.")
    is_active: bool | None = None


class Listing(BaseModel):
    page: int = Field(1, ge=1, le=FURTHEST_PAGE)
    limit: int = Field(20, ge=1, le=MOST_ON_A_PAGE)
    is_active: bool | None = None


class WebhookView(BaseModel):
    id: str = Field(examples=["hook_1b4e28ba2fa111d2883f0016d3cca427"])
    url: str
    events: list[str]
    is_active: bool
    inactive_reason: str = Field(description="Why nothing is sent; empty while it is active.")
    created_at: datetime
    updated_at: datetime
    warnings: list[str] = []

    @classmethod
    def of(cls, row: Row, warnings: list[str] | None = None) -> Self:
        return cls(**_fields(row), warnings=warnings or [])


class WebhookWithSecret(WebhookView):
    secret: str = Field(description="Shown this once.")


class WebhookPage(BaseModel):
    data: list[WebhookView]
    meta: Meta


@router.post("", status_code=201)
async def create_user_webhook(app: OwnerApp, server: ServerDep, body: CreateWebhook) -> WebhookWithSecret:
    """Send messages about what happens from now on."""
    webhooks = server.webhooks(app.organization_id)
    made = await webhooks.create(body.url, body.events, body.secret, format=FORMAT, active=body.is_active)
    return WebhookWithSecret(**_fields(made.webhook), secret=made.secret, warnings=body.unknown())


@router.get("")
async def list_user_webhooks(app: OwnerApp, server: ServerDep, listing: Annotated[Listing, Query()]) -> WebhookPage:
    """Newest first; without those of other formats."""
    rows = await server.webhooks(app.organization_id).page(format=FORMAT)
    found = [row for row in rows if listing.is_active in (None, row["active"])]
    skip = (listing.page - 1) * listing.limit
    return WebhookPage(
        data=[WebhookView.of(row) for row in found[skip : skip + listing.limit]],
        meta=Meta.of(listing.page, listing.limit, len(found)),
    )


@router.get("/{webhook_id}")
async def get_user_webhook(app: OwnerApp, server: ServerDep, webhook_id: WebhookId) -> WebhookView:
    """One webhook."""
    return WebhookView.of(await _find(app, server, webhook_id))


@router.patch("/{webhook_id}")
async def update_user_webhook(
    app: OwnerApp, server: ServerDep, webhook_id: WebhookId, body: UpdateWebhook
) -> WebhookView:
    """Change where messages go and what they are about, the secret, or switch it off and on."""
    webhook = await _find(app, server, webhook_id)
    webhooks = server.webhooks(app.organization_id)
    changed = await webhooks.change(webhook["id"], url=body.url, kinds=body.events, active=body.is_active)
    if body.secret is not None:
        changed = (await webhooks.rotate(webhook["id"], body.secret)).webhook
    return WebhookView.of(changed, body.unknown())


@router.delete("/{webhook_id}")
async def delete_user_webhook(app: OwnerApp, server: ServerDep, webhook_id: WebhookId) -> Message:
    """Send nothing further; pending messages are dropped."""
    webhook = await _find(app, server, webhook_id)
    await server.webhooks(app.organization_id).delete(webhook["id"])
    return Message(message="Webhook deleted.")


def _fields(row: Row) -> dict[str, Any]:
    return {
        "id": ids.shown(ids.WEBHOOK, row["uuid"]),
        "url": row["url"],
        "events": row["kinds"],
        "is_active": row["active"],
        "inactive_reason": row["inactive_reason"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


async def _find(app: App, server: Server, text: str) -> Row:
    """Raises NotFound."""
    uuid = ids.read(text, ids.WEBHOOK)
    try:
        if uuid is not None:
            return await server.webhooks(app.organization_id).by_uuid(uuid, FORMAT)
    except NotFound:
        pass
    raise NotFound("Webhook not found")

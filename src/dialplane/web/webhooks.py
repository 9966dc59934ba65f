"""Webhooks: where messages go, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, Response

from dialplane.api.shapes import HIGHEST_ID, Id
from dialplane.core.webhook import KINDS, STANDARD
from dialplane.engine.webhooks import ROTATION, Webhooks
from dialplane.errors import Conflict, DialplaneError
from dialplane.store.postgres import Row
from dialplane.web.forms import Typed
from dialplane.web.route import PageRoute
from dialplane.web.visit import Owning, Visit

PER_PAGE = 50
NOUNS = {
    noun: [kind for kind in KINDS if kind.startswith(f"{noun}.")]
    for noun in dict.fromkeys(kind.partition(".")[0] for kind in KINDS)
}

router = APIRouter(route_class=PageRoute, prefix="/webhooks")
Before = Annotated[int | None, Query(ge=1, le=HIGHEST_ID)]
Kinds = Annotated[list[str], Form(max_length=100)]
State = Annotated[Literal["", "pending", "delivered", "dead"], Query()]


@router.get("")
async def list_webhooks(visit: Owning, before: Before = None) -> HTMLResponse:
    found = await _webhooks(visit).page(before=before, limit=PER_PAGE)
    return visit.page("webhooks.html", webhooks=found, following=_following(found))


@router.get("/new")
async def show_new_webhook(visit: Owning) -> HTMLResponse:
    return _new(visit)


@router.post("/new")
async def create_webhook(visit: Owning, url: Typed = "", kinds: Kinds = []) -> Response:  # noqa: B006  (it is copied)
    """The page shows the secret, this once."""
    try:
        made = await _webhooks(visit).create(url.strip(), kinds)
    except DialplaneError as fault:
        return _new(visit, url=url, kinds=kinds, fault=str(fault))
    return visit.page("webhook_secret.html", webhook=made.webhook, secret=made.secret, new=True, rotation=ROTATION)


@router.get("/{webhook_id}")
async def show_webhook(visit: Owning, webhook_id: Id, state: State = "", before: Before = None) -> HTMLResponse:
    return await _shown(visit, await _webhooks(visit).get(webhook_id), state=state, before=before)


@router.post("/{webhook_id}")
async def change_webhook(visit: Owning, webhook_id: Id, url: Typed = "", kinds: Kinds = []) -> Response:  # noqa: B006
    before = await _webhooks(visit).get(webhook_id)
    try:
        # What another product's webhook hears of is that product's to say.
        heard = kinds if before["format"] == STANDARD else None
        await _webhooks(visit).change(webhook_id, url=url.strip(), kinds=heard)
    except DialplaneError as fault:
        return await _shown(visit, before, url=url, kinds=kinds, fault=str(fault))
    return visit.go(_path(webhook_id), "Saved.")


@router.post("/{webhook_id}/pause")
async def pause_webhook(visit: Owning, webhook_id: Id) -> Response:
    await _webhooks(visit).change(webhook_id, active=False)
    return visit.go(_path(webhook_id), "Nothing is sent. What happens from now on is not kept for it.")


@router.post("/{webhook_id}/resume")
async def resume_webhook(visit: Owning, webhook_id: Id) -> Response:
    await _webhooks(visit).change(webhook_id, active=True)
    return visit.go(_path(webhook_id), "It hears of what happens from now on.")


@router.post("/{webhook_id}/delete")
async def delete_webhook(visit: Owning, webhook_id: Id) -> Response:
    await _webhooks(visit).delete(webhook_id)
    return visit.go("/webhooks", "The webhook is deleted; what it had still to send is dropped.")


@router.post("/{webhook_id}/rotate-secret")
async def rotate_webhook_secret(visit: Owning, webhook_id: Id) -> HTMLResponse:
    made = await _webhooks(visit).rotate(webhook_id)
    return visit.page("webhook_secret.html", webhook=made.webhook, secret=made.secret, new=False, rotation=ROTATION)


@router.post("/{webhook_id}/test")
async def send_test_message(visit: Owning, webhook_id: Id) -> Response:
    try:
        await _webhooks(visit).test(webhook_id)
    except Conflict as fault:
        return visit.go(_path(webhook_id), str(fault), fault=True)
    return visit.go(_path(webhook_id), "A test message is on its way: it is the first of the deliveries below.")


@router.post("/{webhook_id}/redeliver-dead")
async def send_given_up_again(visit: Owning, webhook_id: Id) -> Response:
    try:
        count = await _webhooks(visit).redeliver_dead(webhook_id)
    except Conflict as fault:
        return visit.go(_path(webhook_id), str(fault), fault=True)
    return visit.go(_path(webhook_id), f"Messages that go out again: {count:,}.")


@router.get("/{webhook_id}/deliveries/{delivery_id}")
async def show_delivery(visit: Owning, webhook_id: Id, delivery_id: Id) -> HTMLResponse:
    delivery = await _webhooks(visit).delivery(webhook_id, delivery_id)
    webhook = await _webhooks(visit).get(webhook_id)
    body = json.dumps(json.loads(delivery["body"]), indent=2, ensure_ascii=False)
    return visit.page("delivery.html", webhook=webhook, delivery=delivery, body=body)


@router.post("/{webhook_id}/deliveries/{delivery_id}/redeliver")
async def send_again(visit: Owning, webhook_id: Id, delivery_id: Id) -> Response:
    path = f"{_path(webhook_id)}/deliveries/{delivery_id}"
    try:
        await _webhooks(visit).redeliver(webhook_id, delivery_id)
    except Conflict as fault:
        return visit.go(path, str(fault), fault=True)
    return visit.go(path, "The same message goes out again.")


def _webhooks(visit: Visit) -> Webhooks:
    return visit.server.webhooks(visit.caller.organization_id)


def _path(webhook_id: int) -> str:
    return f"/webhooks/{webhook_id}"


def _following(page: Sequence[Row]) -> int | None:
    return page[-1]["id"] if len(page) == PER_PAGE else None


def _new(visit: Visit, *, url: str = "", kinds: Sequence[str] = (), fault: str = "") -> HTMLResponse:
    return visit.page("webhook_new.html", url=url, kinds=kinds, nouns=NOUNS, fault=fault, status=400 if fault else 200)


async def _shown(
    visit: Visit,
    webhook: Row,
    *,
    state: str = "",
    before: int | None = None,
    url: str | None = None,
    kinds: Sequence[str] | None = None,
    fault: str = "",
) -> HTMLResponse:
    deliveries = await _webhooks(visit).deliveries(webhook["id"], state=state or None, before=before, limit=PER_PAGE)
    return visit.page(
        "webhook.html",
        webhook=webhook,
        deliveries=deliveries,
        following=_following(deliveries),
        before=before,
        chosen_state=state,
        url=webhook["url"] if url is None else url,
        kinds=webhook["kinds"] if kinds is None else kinds,
        nouns=NOUNS if webhook["format"] == STANDARD else {},
        kept=visit.server.settings.keep.deliveries,
        fault=fault,
        status=400 if fault else 200,
    )

"""`/call`: one at a time, now or later, through the same limits as campaigns; and what became of every call there was.

A call is known by its attempt's uuid, a planned one by its contact's, before and after it is made. The text of an agent
is the assistant's: `assistantOverrides` change its variables alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import PurePosixPath
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse

from dialplane.api.access import OperatorApp, ViewerApp, server_of
from dialplane.api.contracts.vapi.assistants import assistant_named
from dialplane.api.contracts.vapi.call_shapes import (
    EXTERNAL_ID,
    Call,
    CallBatch,
    CallListing,
    CreateCall,
    CustomerOfCall,
    FailedCall,
    UpdateCall,
    call_view,
)
from dialplane.api.contracts.vapi.making import unheard
from dialplane.api.contracts.vapi.phone_numbers import number_named
from dialplane.api.contracts.vapi.requests import as_json
from dialplane.api.contracts.vapi.shapes import Customer, as_uuid, variable_values
from dialplane.api.links import artifact_token, artifact_url, base_url, download_link
from dialplane.api.route import Route
from dialplane.core.attempt import AttemptState
from dialplane.engine.call_book import NOT_FOUND, CallFilter, CallRecord
from dialplane.engine.caller_numbers import NumberRecord
from dialplane.engine.contacts import e164
from dialplane.engine.numbering import region_of
from dialplane.engine.single_calls import CallRequest
from dialplane.errors import Conflict, DialplaneError, NotFound
from dialplane.voice.channels import Channel
from dialplane.wiring import App

Begin = Callable[[Customer], Awaitable[CallRecord]]

BEGUN_AT_ONCE = 10  # of one request; each waits until its call is on its way
RECORDINGS = {
    "mono-recording": Channel.MONO,
    "stereo-recording": Channel.BOTH,
    "customer-recording": Channel.CONTACT,
    "assistant-recording": Channel.AGENT,
}
CallId = Annotated[str, Path(alias="id", max_length=100, description="The call's uuid")]

router = APIRouter(prefix="/call", tags=["calls"], route_class=Route)


@router.post("", status_code=201, response_model_exclude_none=True)
async def create_call(request: Request, app: OperatorApp, body: CreateCall) -> Call | CallBatch:
    """Call one customer, or several; answered once the calls are on their way, or planned."""
    begin = await _beginning(app, body)
    if body.customer is not None:
        call = await _view(request, app, await begin(body.customer))
        call.warnings = _warnings(body) or None
        return call
    customers = body.customers or []
    at_once = asyncio.Semaphore(BEGUN_AT_ONCE)

    async def begun(customer: Customer) -> CallRecord | DialplaneError:
        async with at_once:
            try:
                return await begin(customer)
            except DialplaneError as fault:
                return fault

    found = list(zip(customers, await asyncio.gather(*map(begun, customers)), strict=True))
    return CallBatch(
        results=[await _view(request, app, call) for _, call in found if isinstance(call, CallRecord)],
        errors=[
            FailedCall(customer=_customer(customer), error=str(fault))
            for customer, fault in found
            if isinstance(fault, DialplaneError)
        ],
    )


@router.get("", response_model_exclude_none=True)
async def list_calls(request: Request, app: ViewerApp, listing: Annotated[CallListing, Query()]) -> list[Call]:
    """Newest first, those of campaigns and planned ones too."""
    if listing.id is not None:
        try:
            return [await _view(request, app, await app.call_book.get(listing.id))]
        except NotFound:
            return []
    try:
        agent = None if listing.assistant_id is None else await app.library.id_of(listing.assistant_id)
        number = None if listing.phone_number_id is None else await number_named(app, str(listing.phone_number_id))
    except NotFound:
        return []
    wanted = CallFilter(made=listing.ranges(), agent_id=agent, number_id=None if number is None else number.number.id)
    organization = await app.directory.organization()
    found = await app.call_book.newest(wanted, limit=listing.limit)
    return [_shown(request, app, call, organization) for call in found]


@router.get("/{id}", response_model_exclude_none=True)
async def get_call(request: Request, app: ViewerApp, call_id: CallId) -> Call:
    """One call, with what was said."""
    return await _view(request, app, await _named(app, call_id))


@router.patch("/{id}", response_model_exclude_none=True)
async def update_call(request: Request, app: OperatorApp, call_id: CallId, body: UpdateCall) -> Call:
    """Give it a name."""
    call = await _named(app, call_id)
    if body.name is not None:
        await app.call_book.note(call.uuid, name=body.name)
    return await _view(request, app, await app.call_book.get(call.uuid))


@router.delete("/{id}", response_model_exclude_none=True)
async def delete_call(request: Request, app: OperatorApp, call_id: CallId) -> Call:
    """Take back one that is planned, end one in progress, forget what was said in one that is over.

    That there was a call, to whom and when, stays known.
    """
    call = await _named(app, call_id)
    as_it_was = await _view(request, app, call)
    if call.planned is not None:
        try:
            await app.contacts.remove(call.planned.campaign_id, contact_ids=[call.planned.contact_id])
        except Conflict:  # it has begun in this moment
            call = await app.call_book.get(call.uuid)
    if call.attempt is None:
        return as_it_was
    if call.attempt.state is not AttemptState.ENDED:
        await app.call_book.hang_up(call.attempt.id)
    elif (key := await app.call_book.erase(call.attempt.id)) is not None:
        await asyncio.to_thread(app.files.delete, key)
    return as_it_was


@router.get("/{id}/{artifact}", response_class=RedirectResponse, status_code=302)
async def download_call_artifact(
    request: Request,
    app: ViewerApp,
    call_id: CallId,
    artifact: Annotated[str, Path(max_length=40, description=f"{', '.join(RECORDINGS)}")],
) -> RedirectResponse:
    """Leads to the recording, or to one side of it, where the carrier made one."""
    call = await _named(app, call_id)
    key = None if call.attempt is None or artifact not in RECORDINGS else call.attempt.recording
    if not key:
        raise NotFound(f"this call has no {artifact}")
    name, channel = PurePosixPath(key).name, RECORDINGS[artifact]
    url, _ = await download_link(request, app.organization_id, key, name=name, channel=channel)
    return RedirectResponse(url, 302)


async def _beginning(app: App, body: CreateCall) -> Begin:
    """What makes, or plans, the call of one customer. Raises NotFound."""
    try:
        agent = await assistant_named(app, str(body.target_id()))
    except NotFound:
        raise NotFound(f"{body.target()}: there is no such assistant") from None
    number = None if body.phone_number_id is None else (await number_named(app, str(body.phone_number_id))).number
    common = variable_values(body.assistant_overrides, body.squad_overrides)
    plan = body.schedule_plan

    async def begin(customer: Customer) -> CallRecord:
        request = CallRequest(
            agent_id=agent.id,
            to_number=_number(customer, number),
            carrier_id=None if number is None else number.carrier_id,
            number_id=None if number is None else number.id,
            variables=_variables(customer, common),
        )
        if plan is not None and plan.earliest_at > app.clock.now():
            uuid = (await app.single_calls.plan(request, plan.earliest_at, ends_at=plan.latest_at)).uuid
        else:
            uuid = (await app.single_calls.call(request)).attempt_uuid
        if body.name is not None or plan is not None:
            await app.call_book.note(uuid, name=body.name, plan=None if plan is None else as_json(plan))
        return await app.call_book.get(uuid)

    return begin


def _number(customer: Customer, number: NumberRecord | None) -> str:
    """Raises Invalid."""
    assert customer.number is not None, "a customer without a number is refused before"
    region = None if customer.number_e164_check_enabled or number is None else region_of(number.e164)
    return e164(customer.number, region)


def _variables(customer: Customer, common: Mapping[str, str]) -> dict[str, str]:
    own = {} if customer.external_id is None else {EXTERNAL_ID: customer.external_id}
    return own | customer.variables(common)


def _warnings(body: CreateCall) -> list[str]:
    overrides = unheard(assistantOverrides=body.assistant_overrides, squadOverrides=body.squad_overrides)
    return [*body.unknown(), *overrides]


def _customer(customer: Customer) -> CustomerOfCall:
    fields = {name: getattr(customer, name) for name in CustomerOfCall.model_fields}
    return CustomerOfCall(**fields)


async def _named(app: App, text: str) -> CallRecord:
    """Raises NotFound."""
    uuid = as_uuid(text)
    if uuid is None:
        raise NotFound(NOT_FOUND)
    return await app.call_book.get(uuid)


async def _view(request: Request, app: App, call: CallRecord) -> Call:
    return _shown(request, app, call, await app.directory.organization())


def _shown(request: Request, app: App, call: CallRecord, organization: UUID) -> Call:
    url = None
    if call.attempt is not None and call.attempt.recording:
        token = artifact_token(server_of(request).secrets, app.organization_id, call.attempt.uuid)
        url = artifact_url(base_url(request), token, "recording")
    return call_view(call, organization, url, app.clock.now())

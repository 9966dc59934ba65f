"""One call outside a campaign, in Dograh's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from dialplane.api.access import OperatorApp
from dialplane.api.route import Route
from dialplane.api.shapes import Id, Tolerant
from dialplane.engine.single_calls import CallRequest, PlacedCall
from dialplane.errors import Invalid, NotFound
from dialplane.wiring import App

router = APIRouter(tags=["calls"], route_class=Route)

Phone = Annotated[str, Field(min_length=1, max_length=64, examples=["+14155550100"])]
AgentUuid = Annotated[str, Path(max_length=64, description="The `workflow_uuid` of the agent.")]
Context = Annotated[dict[Annotated[str, Field(max_length=255)], Any], Field(max_length=1000)]
CONTEXT = Field(None, description="Values for the variables of the agent's texts.", examples=[{"first_name": "Ana"}])


class InitiateCall(Tolerant):
    """Who shall call whom."""

    workflow_id: Id
    workflow_run_id: Id | None = Field(None, description="Must be null: a run is made by its call.")
    phone_number: Phone | None = None
    telephony_configuration_id: Id | None = Field(
        None, description="null: the default one, else the first that is ready."
    )
    from_phone_number_id: Id | None = Field(
        None, description="null: the configuration's default, else any of its numbers."
    )
    initial_context: Context | None = CONTEXT


class TriggerCall(Tolerant):
    """Whom the agent shall call."""

    phone_number: Phone
    initial_context: Context | None = CONTEXT
    telephony_configuration_id: Id | None = None
    from_phone_number_id: Id | None = None


class TriggeredCall(BaseModel):
    """The call is on its way; its run tells what becomes of it."""

    status: str = "initiated"
    message: str
    workflow_run_id: int
    workflow_run_name: str
    warnings: list[str] = []


@router.post("/telephony/initiate-call")
async def initiate_call(app: OperatorApp, request: InitiateCall) -> TriggeredCall:
    """Call one number now, through the same limits as campaigns; answered once the call is on its way."""
    if request.phone_number is None:
        raise Invalid("Phone number must be provided in request or set in organization preferences")
    if request.workflow_run_id is not None:
        raise Invalid("Workflow run not found")
    if request.telephony_configuration_id is None and not await app.telephony.page(limit=1):
        raise Invalid("telephony_not_configured")
    return await _call(app, request.workflow_id, request.phone_number, request)


@router.post("/public/agent/{uuid}")
@router.post("/public/agent/test/{uuid}", operation_id="trigger_test_call")
async def trigger_call(app: OperatorApp, uuid: AgentUuid, request: TriggerCall) -> TriggeredCall:
    """Let the agent with this uuid call one number now."""
    return await _trigger(app, uuid, request)


@router.post("/public/agent/workflow/{workflow_uuid}")
@router.post("/public/agent/test/workflow/{workflow_uuid}", operation_id="trigger_workflow_test_call")
async def trigger_workflow_call(app: OperatorApp, workflow_uuid: AgentUuid, request: TriggerCall) -> TriggeredCall:
    """The same, in its other spelling."""
    return await _trigger(app, workflow_uuid, request)


async def _trigger(app: App, uuid: str, request: TriggerCall) -> TriggeredCall:
    try:
        agent_id = await app.library.id_of(UUID(uuid))
    except ValueError:
        raise NotFound("Workflow not found") from None
    if request.telephony_configuration_id is not None:
        await app.telephony.get(request.telephony_configuration_id)
    elif not await app.telephony.page(limit=1):
        raise Invalid("Telephony provider not configured for this organization")
    return await _call(app, agent_id, request.phone_number, request)


async def _call(app: App, agent_id: int, to_number: str, request: InitiateCall | TriggerCall) -> TriggeredCall:
    placed = await app.single_calls.call(
        CallRequest(
            agent_id=agent_id,
            to_number=to_number,
            carrier_id=request.telephony_configuration_id,
            number_id=request.from_phone_number_id,
            variables=texts(request.initial_context or {}),
        )
    )
    name = _run_name(placed)
    return TriggeredCall(
        message=f"Call initiated successfully with run name {name}",
        workflow_run_id=placed.attempt_id,
        workflow_run_name=name,
        warnings=request.unknown(),
    )


def texts(context: Mapping[str, Any]) -> dict[str, str]:
    """Variables of a contact are texts, as in a file.

    >>> texts({"name": "Ana", "visits": 3, "vip": True, "note": None, "tags": ["a"]})
    {'name': 'Ana', 'visits': '3', 'vip': 'true', 'note': '', 'tags': '["a"]'}
    """
    return {name: _text(value) for name, value in context.items()}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _run_name(placed: PlacedCall) -> str:
    return f"WR-CAMPAIGN-{placed.campaign_id}-{placed.contact_id}"

"""What users of Vapi's clients write: the same flow for both clients, in 3.0.0 and in 1.11."""

from __future__ import annotations

import asyncio
import functools
import inspect
from datetime import datetime
from typing import Any

import act_loop
from vapi import (
    AssistantOverrides,
    AsyncVapi,
    CreateCustomerDto,
    CreateVapiPhoneNumberDto,
    DialPlanEntry,
    SchedulePlan,
    Vapi,
)
from vapi.core.api_error import ApiError


class Acts:
    """client: `Vapi` or `AsyncVapi`; the answers of both are waited for alike."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.campaigns = client.campaigns

    # --- campaigns -------------------------------------------------------------------------------

    async def create(self, customers: list[dict[str, Any]], **more: Any) -> Any:
        called = [customer(**each) for each in customers]
        return shown(await done(self.campaigns.campaign_controller_create(customers=called, **planned(**more))))

    async def create_with_dial_plan(self, plan: list[dict[str, Any]], **more: Any) -> Any:
        entries = [
            DialPlanEntry(
                phone_number_id=entry["phone_number_id"], customers=[customer(**each) for each in entry["customers"]]
            )
            for entry in plan
        ]
        return shown(await done(self.campaigns.campaign_controller_create(dial_plan=entries, **more)))

    async def get(self, id: str) -> Any:
        return shown(await done(self.campaigns.campaign_controller_find_one(id)))

    async def find_all(self, filters: list[dict[str, Any]]) -> Any:
        """names and total for each of the filters."""
        return [listed(await done(self.campaigns.campaign_controller_find_all(**read(each)))) for each in filters]

    async def stop(self, id: str) -> Any:
        return shown(await done(self.campaigns.campaign_controller_update(id, status="ended")))

    async def remove(self, id: str) -> Any:
        return shown(await done(self.campaigns.campaign_controller_remove(id)))

    # --- campaigns, second version ---------------------------------------------------------------

    async def create_v2(self, customers: list[dict[str, Any]], **more: Any) -> Any:
        called = [customer(**each) for each in customers]
        return shown(await done(self.campaigns.campaign_controller_create_v_2(customers=called, **planned(**more))))

    async def get_v2(self, id: str) -> Any:
        found = await done(self.campaigns.campaign_controller_find_one_v_2(id, include_counters=True))
        return {
            "id": found.id,
            "status": found.status,
            "counters": vars(found.contact_counters),
            "metrics": vars(found.call_metrics),
        }

    async def find_all_v2(self, filters: list[dict[str, Any]]) -> Any:
        return [listed(await done(self.campaigns.campaign_controller_find_all_v_2(**read(each)))) for each in filters]

    async def contacts(self, id: str, **filters: Any) -> Any:
        page = await done(self.campaigns.campaign_controller_get_campaign_v_2_contacts(id, **filters))
        return {
            "total": page.metadata.total_items,
            "contacts": [
                {"number": each.number, "name": each.name, "status": each.status, "call_id": each.call_id,
                 "ended_reason": each.ended_reason, "dispatched": each.dispatched_at is not None}
                for each in page.results
            ],
        }  # fmt: skip

    async def stop_v2(self, id: str) -> Any:
        return shown(await done(self.campaigns.campaign_controller_update_v_2(id, status="cancelled")))

    async def remove_v2(self, id: str) -> Any:
        return shown(await done(self.campaigns.campaign_controller_remove_v_2(id)))

    # --- around them -----------------------------------------------------------------------------

    async def greeter(self, name: str, greeting: str) -> Any:
        return (await done(self.client.assistants.create(name=name, first_message=greeting))).id

    async def two_numbers(self) -> Any:
        """The one that is there, and one more."""
        numbers = self.client.phone_numbers
        (first,) = await done(numbers.list())
        second = await done(numbers.create(request=CreateVapiPhoneNumberDto(provider="vapi")))
        return {first.number: first.id, second.number: second.id}

    async def assistant(self, **definition: Any) -> Any:
        """One from its creation to its end: what each answer said."""
        assistants = self.client.assistants
        made = await done(assistants.create(**definition))
        got = await done(assistants.get(made.id))
        changed = await done(assistants.update(made.id, first_message="Good day"))
        listed = await done(assistants.list(limit=5))
        deleted = await done(assistants.delete(made.id))
        return {
            "same": made.id == got.id == changed.id == deleted.id,
            "said": [each.first_message for each in (made, got, changed)],
            "names": [each.name for each in listed],
            "left": [each.name for each in await done(assistants.list())],
        }

    async def phone_number(self, name: str) -> Any:
        numbers = self.client.phone_numbers
        made = await done(numbers.create(request=CreateVapiPhoneNumberDto(provider="vapi", name=name)))
        changed = await done(numbers.update(made.id, request={"provider": "vapi", "name": "renamed"}))
        page = await done(numbers.phone_number_controller_find_all_paginated(limit=10))
        listed = await done(numbers.list(limit=10))
        deleted = await done(numbers.delete(made.id))
        left = await done(numbers.list())
        return {
            "provider": made.provider,
            "number": made.number,
            "names": [made.name, changed.name, deleted.name],
            "listed": made.id in [each.id for each in listed],
            "paged": (page.metadata.total_items, made.id in [each.id for each in page.results]),
            "left": made.id in [each.id for each in left],
        }

    async def call(self, number: str, **more: Any) -> Any:
        return call_shown(await done(self.client.calls.create(customer=customer(number=number), **more)))

    async def calls(self, numbers: list[str], **more: Any) -> Any:
        """One request for several."""
        batch = await done(self.client.calls.create(customers=[customer(number=number) for number in numbers], **more))
        return {
            "made": [each.customer.number for each in batch.results],
            "errors": [(each.customer.number, each.error) for each in batch.errors],
        }

    async def get_call(self, id: str) -> Any:
        return call_shown(await done(self.client.calls.get(id)))

    async def list_calls(self, **filters: Any) -> Any:
        return [call_shown(each) for each in await done(self.client.calls.list(**read(filters)))]

    async def name_call(self, id: str, name: str) -> Any:
        return call_shown(await done(self.client.calls.update(id, name=name)))

    async def delete_call(self, id: str) -> Any:
        return call_shown(await done(self.client.calls.delete(id)))

    async def file(self, name: str, content: str) -> Any:
        files = self.client.files
        made = await done(files.create(file=(name, content.encode(), "text/csv")))
        got = await done(files.get(made.id))
        listed = await done(files.list())
        deleted = await done(files.delete(made.id))
        return {
            "name": got.name,
            "bytes": got.bytes,
            "listed": [each.id for each in listed] == [made.id],
            "deleted": deleted.id == made.id,
            "left": len(await done(files.list())),
        }

    async def refused(self, method: str, group: str = "campaigns", **arguments: Any) -> Any:
        """What a call of this method is refused with, and how often it was made: the client repeats some."""
        asked = []
        with_count = count_requests(self.client, asked)
        try:
            await done(getattr(getattr(self.client, group), method)(**read(arguments)))
        except ApiError as refusal:
            return {"status": refusal.status_code, "body": refusal.body, "requests": len(asked)}
        finally:
            with_count()
        raise AssertionError(f"{method} was not refused")


def count_requests(client: Any, asked: list[Any]) -> Any:
    """Note every request; what undoes it."""
    httpx = client._client_wrapper.httpx_client.httpx_client
    hooks = httpx.event_hooks["request"]
    if isinstance(client, AsyncVapi):

        async def note(request: Any) -> None:
            asked.append(request)
    else:

        def note(request: Any) -> None:
            asked.append(request)

    httpx.event_hooks = {**httpx.event_hooks, "request": [*hooks, note]}

    def undo() -> None:
        httpx.event_hooks = {**httpx.event_hooks, "request": hooks}

    return undo


def customer(variables: dict[str, Any] | None = None, **fields: Any) -> CreateCustomerDto:
    overrides = None if variables is None else AssistantOverrides(variable_values=variables)
    return CreateCustomerDto(**fields, assistant_overrides=overrides)


def planned(earliest_at: str | None = None, latest_at: str | None = None, **more: Any) -> dict[str, Any]:
    """With the client's own plan, if there is one."""
    if earliest_at is None or latest_at is None:
        return more
    plan = SchedulePlan(earliest_at=datetime.fromisoformat(earliest_at), latest_at=datetime.fromisoformat(latest_at))
    return {**more, "schedule_plan": plan}


def read(arguments: dict[str, Any]) -> dict[str, Any]:
    """Instants are datetimes for the client."""
    return {
        name: datetime.fromisoformat(value) if name.startswith(("created_at", "updated_at")) else value
        for name, value in arguments.items()
    }


def shown(campaign: Any) -> dict[str, Any]:
    """What the client's own model has read of an answer."""
    names = (
        "id", "org_id", "name", "status", "ended_reason", "assistant_id", "phone_number_id", "calls_counter_scheduled",
        "calls_counter_queued", "calls_counter_in_progress", "calls_counter_ended", "calls_counter_ended_voicemail",
    )  # fmt: skip
    assert isinstance(campaign.created_at, datetime), campaign.created_at
    assert isinstance(campaign.updated_at, datetime), campaign.updated_at
    return {
        **{name: getattr(campaign, name) for name in names},
        "calls": list(campaign.calls),
        "earliest_at": campaign.schedule_plan.earliest_at.isoformat() if campaign.schedule_plan else None,
        "customers": [(each.number, each.name) for each in campaign.customers or ()],
        "dial_plan": [
            (entry.phone_number_id, [each.number for each in entry.customers]) for entry in campaign.dial_plan or ()
        ],
    }


def call_shown(call: Any) -> dict[str, Any]:
    assert isinstance(call.created_at, datetime), call.created_at
    return {
        **{
            name: getattr(call, name)
            for name in ("id", "name", "status", "ended_reason", "assistant_id", "campaign_id")
        },
        "number": call.customer.number,
        "transcript": call.artifact.transcript if call.artifact else None,
    }


def listed(page: Any) -> dict[str, Any]:
    return {
        "names": [campaign.name for campaign in page.results],
        "total": page.metadata.total_items,
        "page": page.metadata.current_page,
        "size": page.metadata.items_per_page,
    }


async def done(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


@functools.cache
def acts(client: str, url: str, token: str) -> Acts:
    """Of one client, which keeps its connections."""
    kinds = {"sync": Vapi, "async": AsyncVapi}
    return Acts(kinds[client](token=token, base_url=f"{url}/vapi"))


async def act(name: str, client: str, url: str, token: str, values: dict[str, Any]) -> Any:
    return await getattr(acts(client, url, token), name)(**values)


def load() -> None:
    """The client imports each of its parts when somebody asks for it, and that takes seconds: all of it at once."""
    client = Vapi(token="", base_url="http://localhost")
    for part in ("assistants", "calls", "campaigns", "files", "phone_numbers"):
        getattr(client, part)


if __name__ == "__main__":
    load()
    with asyncio.Runner() as runner:
        act_loop.run(lambda **line: runner.run(act(**line)))

"""request for a campaign -> what it is made of, checked in the contract's order, with its texts -> a draft"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi.exceptions import RequestValidationError

from dialplane.api.contracts.dograh.requests import LARGEST_CONCURRENCY, CreateCampaign
from dialplane.core.intake import NoPhoneColumn
from dialplane.engine import catalog
from dialplane.engine.contact_file import EmptyFile
from dialplane.engine.intake import ContactsFile
from dialplane.engine.screening import RowNumbers, Screening
from dialplane.errors import Invalid, NotFound
from dialplane.wiring import App

NO_ROWS = "CSV file must have a header row and at least one data row"
NO_PHONE_COLUMN = "Source must contain a 'phone_number' column"


@dataclass(frozen=True, slots=True)
class Made:
    """A draft. warnings: what of the request may not be as it was meant."""

    id: int
    warnings: Sequence[str]


async def make(app: App, body: CreateCampaign, uuid: UUID | None) -> Made:
    """uuid: of the campaign; one that is there already is answered as it is. Raises NotFound, Invalid, Conflict."""
    required = await _columns(app, body)
    file = await _file(app, body, required)
    carrier_id = await app.telephony.choose(body.telephony_configuration_id)
    await check_concurrency(app, body.max_concurrency)
    doubts = body.doubts() + await _few_numbers(app, body, carrier_id)
    campaign_id = await app.campaigns.create(
        name=body.name,
        agent_id=body.workflow_id,
        carrier_id=carrier_id,
        policies=body.policies(),
        keep_open=body.keep_open,
        uuid=uuid,
        number_ids=sorted(set(body.number_ids)),
        file=file,
        warnings=doubts,
    )
    return Made(campaign_id, doubts)


async def check_concurrency(app: App, lines: int | None) -> None:
    """Raises Invalid, RequestValidationError for more than the contract knows."""
    if lines is None:
        return
    most = (await catalog.limits(app.database, app.organization_id)).max_lines
    if lines > max(most, LARGEST_CONCURRENCY):
        text = f"Input should be less than or equal to {max(most, LARGEST_CONCURRENCY)}"
        where = ("body", "max_concurrency")
        raise RequestValidationError([{"loc": where, "msg": text, "type": "less_than_equal", "input": lines}])
    if lines > most:
        raise Invalid(f"max_concurrency ({lines}) cannot exceed organization limit ({most})")


async def _columns(app: App, body: CreateCampaign) -> frozenset[str]:
    """Those that the agent's text uses, in each version that is to speak."""
    agent = await app.library.get(body.workflow_id)
    if agent.archived_at is not None:
        raise NotFound("Workflow not found")
    if not agent.version:
        raise Invalid(f"Workflow '{agent.name}' has no published definition")
    return await app.speakers.columns(agent.id, body.policies().split)


async def _file(app: App, body: CreateCampaign, required: frozenset[str]) -> ContactsFile | None:
    key = body.source()
    if key is None:
        return None
    upload = await app.uploads.received(key)
    file = ContactsFile(key=key, name=upload.name, default_region=body.region())
    try:
        found = await app.intake.screen(file, required, thorough=body.strict)
    except EmptyFile:
        raise Invalid(NO_ROWS) from None
    except NoPhoneColumn:
        raise Invalid(NO_PHONE_COLUMN) from None
    if (refusal := refusal_of(found, strict=body.strict)) is not None:
        raise Invalid(refusal)
    return file


def refusal_of(found: Screening, *, strict: bool) -> str | None:
    """Why no campaign can be made of this file, as Dograh says it; None: one can."""
    if not found.rows:
        return NO_ROWS
    if found.bad_numbers.count and (strict or not found.is_usable):
        rows = _named(found.bad_numbers)
        return f"Invalid phone numbers in rows: {rows}. All phone numbers must include country code (start with '+')"
    if strict and found.duplicates.count:
        rows = _named(found.duplicates)
        return f"Duplicate phone numbers found in rows: {rows}. Phone numbers in a campaign must be unique."
    if found.fault is not None and (strict or not found.is_usable):
        fault = found.fault
        return f"Invalid data in rows: {_named(found.faults)}. Row {fault.row_number}: {fault.reason}; {fault.fix}"
    if found.missing:
        names = ", ".join(f"'{name}'" for name in found.missing)
        return (
            f"Workflow uses template variables that are missing from the source data: {names}. "
            "Add the missing columns or remove them from the workflow."
        )
    if found.empty:
        name, empty = next(iter(found.empty.items()))
        return (
            f"Template variable '{name}' is empty in rows: {_named(empty)}. "
            "All template variables used in the workflow must have values in every row."
        )
    return None


def _named(rows: RowNumbers) -> str:
    """'2, 3, 5, 8, 9 and 4 more'"""
    more = rows.count - len(rows.first)
    return ", ".join(map(str, rows.first)) + (f" and {more} more" if more else "")


async def _few_numbers(app: App, body: CreateCampaign, carrier_id: int) -> list[str]:
    """Raises Invalid for a number that the carrier does not call from."""
    active = await app.campaigns.numbers_of(carrier_id)
    if unknown := sorted(set(body.number_ids) - set(active)):
        raise Invalid(f"number {unknown[0]} is no active number of telephony configuration {carrier_id}")
    numbers = len(set(body.number_ids)) or len(active)
    if body.max_concurrency is None or body.max_concurrency <= numbers:
        return []
    return [
        f"max_concurrency ({body.max_concurrency}) is more than the {numbers} phone number(s) to call from: "
        "several calls at once will show the same number"
    ]

"""What the doors do for one organization, and all that it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from dialplane.agents.scripted import DEFAULT_DEFINITION
from dialplane.carriers.callbacks import Callbacks
from dialplane.carriers.simulated import log_path
from dialplane.config import Settings
from dialplane.core.campaign import CampaignState
from dialplane.engine import agents
from dialplane.engine.adapters import OpenCarriers
from dialplane.engine.agents import Library
from dialplane.engine.attempts import Attempts
from dialplane.engine.call_book import CallBook
from dialplane.engine.caller_numbers import CallerNumbers
from dialplane.engine.campaigns import Campaigns
from dialplane.engine.carriers import load_carrier
from dialplane.engine.contact_book import ContactBook
from dialplane.engine.contacts import Contacts
from dialplane.engine.corrections import Corrections
from dialplane.engine.directory import Directory
from dialplane.engine.explain import Explanations
from dialplane.engine.forecast import Forecast, Forecaster
from dialplane.engine.forecasts import Forecasts
from dialplane.engine.intake import Imported, Intake
from dialplane.engine.jobs import JobQueue
from dialplane.engine.mending import Mending
from dialplane.engine.reports import Reports
from dialplane.engine.results import Results
from dialplane.engine.single_calls import SingleCalls
from dialplane.engine.sounds import Sounds
from dialplane.engine.speakers import Speakers
from dialplane.engine.telephony import Telephony
from dialplane.engine.timeline import Timelines
from dialplane.engine.uploads import Uploads
from dialplane.engine.voice_services import VoiceServices
from dialplane.engine.worker import Only, Worker
from dialplane.errors import Conflict, Invalid, NotFound
from dialplane.ports import Clock, Files, Screening
from dialplane.providers import SIMULATED, LoadedAgents, carrier_limits
from dialplane.store.postgres import Database, sql

RESCUE_DELAY = timedelta(minutes=10)  # by then an import that somebody waits for is over
EXAMPLE_NUMBER = "+15005550100"  # what the simulated carrier calls from


@dataclass(frozen=True, kw_only=True)
class App:
    """Everything that a door needs, for one organization."""

    settings: Settings
    database: Database
    clock: Clock
    organization_id: int
    campaigns: Campaigns
    contacts: Contacts
    contact_book: ContactBook
    files: Files
    uploads: Uploads
    intake: Intake
    reports: Reports
    attempts: Attempts
    jobs: JobQueue
    carriers: OpenCarriers
    callbacks: Callbacks | None
    telephony: Telephony
    caller_numbers: CallerNumbers
    single_calls: SingleCalls
    agents: LoadedAgents
    speakers: Speakers
    screening: Screening
    logs: Path  # of the simulated carrier
    library: Library
    sounds: Sounds
    voice: VoiceServices
    directory: Directory
    corrections: Corrections
    call_book: CallBook
    explanations: Explanations
    forecasts: Forecasts
    results: Results
    mending: Mending
    timelines: Timelines

    def worker(
        self,
        *,
        capacity: int = 500,
        campaign_id: int | None = None,
        finished: Callable[[], Awaitable[bool]] | None = None,
    ) -> Worker:
        """A worker of this process, for all organizations or for one campaign."""
        only = None if campaign_id is None else Only(self.organization_id, campaign_id)
        worker = Worker(
            self.database,
            self.clock,
            self.carriers,
            self.agents,
            self.screening,
            capacity=capacity,
            only=only,
            finished=finished,
            address=self.callbacks.address if self.callbacks is not None else None,
        )
        self.carriers.listen(worker.calls.receive)
        return worker

    async def forecast(self, campaign_id: int) -> Forecast:
        """What a campaign comes to; of an application on the virtual clock, which is at its end then."""
        forecaster = Forecaster(
            self.database, self.clock, self.organization_id, self.campaigns, self.explanations, campaign_id
        )
        return await forecaster.run(self.worker(campaign_id=campaign_id, finished=forecaster.finished))

    async def add_agent(self, definition: Mapping[str, Any] | None) -> int:
        """The id of an agent with this definition, the example agent without one. Raises Invalid."""
        reading = await self.library.checked(DEFAULT_DEFINITION if definition is None else definition)
        name = str(reading.definition.get("name") or "unnamed agent")
        return await agents.ensure_agent(self.database, name, reading, self.library.secrets)

    async def add_carrier(self, description: Mapping[str, Any] | None) -> int:
        """The id of a carrier with this description (`provider`, `name`, `numbers` and the provider's own fields).

        Without one: the simulated carrier. Raises Invalid.
        """
        settings = dict(description or {})
        provider = str(settings.pop("provider", SIMULATED))
        name = str(settings.pop("name", provider))
        numbers = settings.pop("numbers", None) or ([EXAMPLE_NUMBER] if provider == SIMULATED else [])
        carrier_limits(provider, settings)  # nothing is made that could place no call
        return await self.telephony.ensure(name, provider, settings, [str(number) for number in numbers])

    async def import_contacts(self, campaign_id: int) -> None:
        """Import what is left of the campaign's file; one that cannot be read fails the campaign."""
        required = await self.columns_of(campaign_id)
        try:
            await self.intake.run(campaign_id, required)
        except (Invalid, NotFound) as fault:
            await self.intake.give_up(campaign_id, str(fault))

    async def import_now(self, campaign_id: int, path: Path, default_region: str | None) -> Imported:
        """Import a file and wait for it. Raises Conflict while another one is being imported, Invalid."""
        required = await self.columns_of(campaign_id)
        # Should this process die on the way, a job goes on; one that finds nothing to do does nothing.
        await self.jobs.enqueue_import(campaign_id, delay=RESCUE_DELAY)
        await self.intake.store(campaign_id, path, default_region)
        done = await self.intake.run(campaign_id, required)
        if done is None:
            raise Conflict("another process has finished this import")
        return done

    async def start(self, campaign_id: int) -> None:
        """Begin to call; one that is paused goes on. As `Campaigns.start` and `resume`."""
        campaign = await self.campaigns.get(campaign_id)
        if campaign.state is CampaignState.PAUSED:
            await self.campaigns.resume(campaign_id)
        else:
            await self.campaigns.start(campaign_id)
        if campaign.importing is not None and not campaign.source:
            await self.jobs.enqueue_import(campaign_id)  # begun by a command, which may be gone

    async def discard(self, campaign_id: int) -> None:
        """Delete a draft, its contacts and the copies of its files. Raises NotFound, InvalidTransition."""
        for key in await self.campaigns.discard(campaign_id):
            await asyncio.to_thread(self.files.delete, key)

    async def columns_of(self, campaign_id: int) -> frozenset[str]:
        """Variables that the agent of a campaign uses. Raises NotFound, Invalid."""
        return await self.speakers.columns_of(await self.campaigns.get(campaign_id))

    async def carrier_log(self, campaign_id: int) -> Path | None:
        """Where the simulated carrier keeps its log of this campaign; None for a carrier that has none here."""
        campaign = await self.campaigns.get(campaign_id)
        record = await load_carrier(self.database, self.organization_id, campaign.carrier_id)
        if record.provider != SIMULATED:
            return None
        return log_path(self.logs, campaign.carrier_id, campaign_id)

    async def virtual_schema(self, campaign_id: int) -> str | None:
        """Where a run on the virtual clock lives; None for any other campaign."""
        async with self.database.connection() as connection:
            found: str | None = await sql.virtual_schema(
                connection, organization_id=self.organization_id, campaign_id=campaign_id
            )
        return found

"""Settings -> store, carriers, agents, engine: the only module that knows every class."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from dialplane.agents.hosts import Hosts
from dialplane.agents.scripted import DEFAULT_DEFINITION
from dialplane.carriers.callbacks import Callbacks
from dialplane.carriers.simulated import (
    campaigns_with_logs,
    delete_logs,
    delete_run,
    log_path,
)
from dialplane.clocks import RealClock, VirtualClock
from dialplane.config import Settings
from dialplane.core.campaign import CampaignState
from dialplane.core.retention import Retention
from dialplane.engine import agents, catalog
from dialplane.engine.adapters import OpenCarriers
from dialplane.engine.agent_secrets import AgentSecrets
from dialplane.engine.agents import Library
from dialplane.engine.attempts import Attempts
from dialplane.engine.call_book import CallBook
from dialplane.engine.caller_numbers import CallerNumbers
from dialplane.engine.campaigns import Campaigns
from dialplane.engine.carriers import CarrierRecord, load_carrier
from dialplane.engine.contact_book import ContactBook
from dialplane.engine.contacts import Contacts
from dialplane.engine.corrections import Corrections
from dialplane.engine.deliveries import Deliveries
from dialplane.engine.directory import Directory
from dialplane.engine.explain import Explanations
from dialplane.engine.forecast import Forecast, Forecaster
from dialplane.engine.forecasts import Forecasts, made_apart
from dialplane.engine.intake import Imported, Intake
from dialplane.engine.jobs import FORECAST, IMPORT, JobQueue, Jobs, install
from dialplane.engine.keys import ensure_key
from dialplane.engine.mending import Mending
from dialplane.engine.people import People
from dialplane.engine.reports import Reports
from dialplane.engine.results import Results
from dialplane.engine.retention import campaigns_over, purge, purge_virtual_runs
from dialplane.engine.sealing import Sealer
from dialplane.engine.single_calls import SingleCalls
from dialplane.engine.sounds import Sounds
from dialplane.engine.speakers import Speakers
from dialplane.engine.telephony import Telephony
from dialplane.engine.timeline import Timelines
from dialplane.engine.uploads import Uploads
from dialplane.engine.voice_services import VoiceServices
from dialplane.engine.webhooks import Webhooks
from dialplane.engine.worker import Only, Worker
from dialplane.errors import Conflict, EnvironmentFault, Invalid, NotFound
from dialplane.files import open_files
from dialplane.ports import (
    Carrier,
    Clock,
    Files,
    MessageFormat,
    Screening,
)
from dialplane.providers import (
    SIMULATED,
    LoadedAgents,
    LoadedScreening,
    build_carrier,
    carrier_limits,
    kept_limits,
    read_agent,
    read_voice,
)
from dialplane.secrets import Secrets
from dialplane.store.embedded import attach, describe, limit_logs
from dialplane.store.postgres import Database, sql

if TYPE_CHECKING:
    from dialplane.webhooks import HttpScreening, HttpSender

log = structlog.get_logger()

RESCUE_DELAY = timedelta(minutes=10)  # by then an import that somebody waits for is over
TIDY_SECONDS = 3600.0
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


class Server:
    """Everything that a door for all organizations needs; what they share is made once."""

    def __init__(self, settings: Settings, database: Database, clock: Clock, logs: Path) -> None:
        self.settings = settings
        self.database = database
        self.clock = clock
        self.files = open_files(settings.files_url, settings.files_folder)
        self.logs = logs
        self.sealer = Sealer(lambda: self.secrets)
        # Who tells of calls needs somewhere to tell it; in virtual time nobody does.
        reached = settings.public_url is not None and not clock.virtual
        self.callbacks = Callbacks(str(settings.public_url), settings.worker_address) if reached else None
        self.carriers = OpenCarriers(database, clock, self.open_carrier)
        self.hosts = Hosts()
        self.agents = LoadedAgents(database, self.hosts, lambda: self.secrets, virtual=clock.virtual)
        self._apps: dict[int, App] = {}

    @cached_property
    def secrets(self) -> Secrets:
        """Raises EnvironmentFault."""
        return Secrets.load(self.settings.secret_key, self.settings.secret_file)

    @cached_property
    def sender(self) -> HttpSender:
        from dialplane.webhooks import HttpSender  # noqa: PLC0415  (a tenth of a second, which most commands save)

        return HttpSender(own_network=self.settings.private_webhooks)

    @cached_property
    def screening(self) -> HttpScreening:
        """Raises EnvironmentFault."""
        from dialplane.webhooks import HttpScreening  # noqa: PLC0415  (as above)

        own_network = self.settings.private_webhooks
        return HttpScreening(self.secrets.encrypt, self.secrets.decrypt, own_network=own_network)

    @cached_property
    def formats(self) -> Mapping[str, MessageFormat]:
        """Of messages to webhooks, besides our own."""
        from dialplane.webhooks import FORMATS  # noqa: PLC0415  (as above)

        return FORMATS

    def webhooks(self, organization_id: int) -> Webhooks:
        """Raises EnvironmentFault."""
        return Webhooks(self.database, organization_id, self.secrets, self.sender, self.formats)

    async def close(self) -> None:
        await self.carriers.close()
        await self.hosts.close()
        if self.callbacks is not None:
            await self.callbacks.close()
        if "sender" in self.__dict__:
            await self.sender.close()
        if "screening" in self.__dict__:
            await self.screening.close()

    @cached_property
    def folders(self) -> list[Path]:
        """Where this installation writes. Raises EnvironmentFault."""
        return folders(self.settings)

    @cached_property
    def people(self) -> People:
        return People(self.database)

    async def prepare(self) -> int:
        """What a server begins with: the queue, the default organization with the examples, the operator's own key."""
        await install(self.database)
        organization_id = await catalog.ensure_organization(self.database)
        await self.provision(organization_id)
        if self.settings.api_key is not None:
            await ensure_key(self.database, organization_id, self.settings.api_key)
        return organization_id

    async def provision(self, organization_id: int) -> None:
        """The examples, for an organization that never had an agent or a carrier of its own."""
        if not self.settings.examples:
            return
        app = self.of(organization_id)
        async with self.database.connection() as connection:
            found = await sql.furnished(connection, organization_id=organization_id)
        if not found["with_agent"]:
            await app.add_agent(None)
        if not found["with_carrier"]:
            await app.telephony.set_default(await app.add_carrier(None))

    def of(self, organization_id: int) -> App:
        """The application of one organization."""
        if organization_id not in self._apps:
            self._apps[organization_id] = self._assemble(organization_id)
        return self._apps[organization_id]

    def open_carrier(self, record: CarrierRecord) -> Carrier:
        try:
            settings = self.sealer.opened(record.plain, record.sealed)
        except EnvironmentFault as fault:  # the fault of this carrier, and no reason for a worker to end
            raise Invalid(str(fault)) from fault
        return build_carrier(record.provider, settings, self.clock, self.logs, record.id, self.files, self.callbacks)

    def _assemble(self, organization_id: int) -> App:
        database, clock = self.database, self.clock
        speakers = Speakers(database, self.agents, organization_id)
        campaigns = Campaigns(database, clock, organization_id, self.carriers, speakers)
        contacts = Contacts(database, clock, organization_id, campaigns)
        telephony = Telephony(database, clock, organization_id, campaigns, self.carriers, self.sealer, kept_limits)
        caller_numbers = CallerNumbers(database, clock, organization_id, campaigns)
        sounds = Sounds(database, clock, self.files, organization_id)
        voice = VoiceServices(database, clock, AgentSecrets(lambda: self.secrets, organization_id), read_voice)
        library = Library(database, clock, organization_id, read_agent, sounds, voice)
        intake = Intake(database, clock, self.files, organization_id)
        return App(
            settings=self.settings,
            database=database,
            clock=clock,
            organization_id=organization_id,
            campaigns=campaigns,
            contacts=contacts,
            contact_book=ContactBook(database, organization_id, campaigns),
            files=self.files,
            uploads=Uploads(database, clock, self.files, organization_id, max_bytes=self.settings.max_upload_bytes),
            intake=intake,
            reports=Reports(database, campaigns, intake, self.agents, organization_id),
            attempts=Attempts(database, organization_id),
            jobs=JobQueue(database, organization_id),
            carriers=self.carriers,
            callbacks=self.callbacks,
            telephony=telephony,
            caller_numbers=caller_numbers,
            single_calls=SingleCalls(
                database,
                clock,
                organization_id,
                campaigns,
                contacts,
                telephony,
                caller_numbers,
                library,
                self.agents,
            ),
            agents=self.agents,
            speakers=speakers,
            screening=LoadedScreening(lambda: self.screening),
            logs=self.logs,
            library=library,
            sounds=sounds,
            voice=voice,
            directory=Directory(database, organization_id),
            corrections=Corrections(database, clock, organization_id),
            call_book=CallBook(database, clock, organization_id),
            explanations=Explanations(database, clock, organization_id),
            forecasts=Forecasts(database, clock, organization_id, campaigns, partial(carrier_limits, SIMULATED)),
            results=Results(database, clock, organization_id, campaigns),
            mending=Mending(database, self.files, organization_id, contacts),
            timelines=Timelines(database, clock, organization_id),
        )

    def deliveries(self) -> Deliveries:
        """Raises EnvironmentFault."""
        return Deliveries(self.database, self.secrets, self.sender, formats=self.formats)

    def jobs(self) -> Jobs:
        """The background work of all organizations, for one process to carry out."""
        loops = [self.deliveries().run, self._tidy]
        handlers = {IMPORT: (self._import, 1), FORECAST: (self._forecast, 1)}
        return Jobs(self.database, handlers, loops=loops, hourly=self._purge)

    async def purge(self, keep: Retention) -> dict[str, int]:
        """What has been kept for its time goes: how many of each."""
        now = self.clock.now()

        async def uploads(organization_id: int, before: datetime) -> int:
            return await self.of(organization_id).uploads.purge(before)

        gone = await purge(self.database, self.files, now, keep, uploads)
        if keep.virtual_runs is not None:
            logs = partial(delete_run, self.logs)
            gone["virtual_runs"] = await purge_virtual_runs(self.database, self.files, now - keep.virtual_runs, logs)
        return gone | await self.purge_logs(keep)

    async def purge_logs(self, keep: Retention) -> dict[str, int]:
        """The same for the logs on this machine."""
        gone: dict[str, int] = {}
        if keep.carrier_logs is not None:
            kept = campaigns_with_logs(self.logs)
            over = await campaigns_over(self.database, kept, self.clock.now() - keep.carrier_logs)
            gone["carrier_logs"] = sum(delete_logs(kept[campaign_id]) for campaign_id in over)
        if self.settings.database_url is None:
            gone["postgres_logs"] = len(await asyncio.to_thread(limit_logs, self.settings.home))
        return gone

    async def _purge(self) -> None:
        log.info("purge.done", **await self.purge(self.settings.keep))

    async def _tidy(self, stopping: asyncio.Event) -> None:
        """Every machine has logs of its own, and of all processes one purges the database."""
        while not stopping.is_set():
            await self.purge_logs(self.settings.keep)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), TIDY_SECONDS)

    async def _import(self, job: Mapping[str, Any], _: asyncio.Event) -> None:
        await self.of(job["organization_id"]).import_contacts(job["campaign_id"])

    async def _forecast(self, job: Mapping[str, Any], stopping: asyncio.Event) -> None:
        async def make(organization_id: int, campaign_id: int, answers: Mapping[str, Any]) -> Mapping[str, Any]:
            # -P: a folder called dialplane, where the command was given, is not ours.
            command = [sys.executable, "-P", "-m", "dialplane.cli.forecast_job"]
            command += [str(organization_id), str(campaign_id), json.dumps(dict(answers))]
            return await made_apart(command, stopping)

        await self.of(job["organization_id"]).forecasts.carry_out(job["campaign_id"], make)


@asynccontextmanager
async def open_server(
    settings: Settings,
    *,
    schema: str | None = None,
    virtual_start: datetime | None = None,
    on_wait: Callable[[str], None] | None = None,
    max_connections: int = 8,
    as_it_is: bool = False,
) -> AsyncIterator[Server]:
    """All organizations, attached to their database. Raises EnvironmentFault, Invalid.

    virtual_start: run on the virtual clock from that instant on, in `schema`, which live workers never see.
    as_it_is: for who only reads: the database is not migrated, and an embedded one may be of an older major version.
    """
    clock: Clock = RealClock() if virtual_start is None else VirtualClock(virtual_start)
    async with AsyncExitStack() as stack:
        arguments: Mapping[str, Any]
        recover: Callable[[], None] | None = None
        if settings.database_url is not None:
            arguments = {"dsn": settings.database_url}
        else:
            attachment = await asyncio.to_thread(attach, settings.home, on_wait=on_wait, as_it_is=as_it_is)
            stack.push_async_callback(asyncio.to_thread, attachment.leave)
            arguments, recover = attachment.connect_arguments, attachment.ensure_running
        database = await Database.open(
            arguments,
            schema=schema,
            durable=virtual_start is None,
            recover=recover,
            max_connections=max_connections,
            pooler=settings.database_pooler,
            as_it_is=as_it_is,
        )
        stack.push_async_callback(database.close)
        logs = settings.carrier_logs if schema is None else settings.carrier_logs / schema
        server = Server(settings, database, clock, logs)
        stack.push_async_callback(server.close)
        yield server


@asynccontextmanager
async def open_app(
    settings: Settings,
    *,
    schema: str | None = None,
    virtual_start: datetime | None = None,
    on_wait: Callable[[str], None] | None = None,
) -> AsyncIterator[App]:
    """The same for the default organization alone."""
    async with open_server(settings, schema=schema, virtual_start=virtual_start, on_wait=on_wait) as server:
        yield server.of(await catalog.ensure_organization(server.database))


def assemble(settings: Settings, database: Database, clock: Clock, organization_id: int, logs: Path) -> App:
    """The application of one organization on a database that is open; its carriers are the caller's to close."""
    return Server(settings, database, clock, logs).of(organization_id)


def folders(settings: Settings) -> list[Path]:
    """Where an installation writes. Raises EnvironmentFault."""
    database = [] if settings.database_url is not None else [describe(settings.home).folder]
    return [*database, settings.home, settings.files_folder, settings.carrier_logs]

"""What all organizations share, made once; the application of each; the work in the background."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from dialplane.agents.hosts import Hosts
from dialplane.carriers.callbacks import Callbacks
from dialplane.carriers.simulated import campaigns_with_logs, delete_logs, delete_run
from dialplane.config import Settings
from dialplane.core.retention import Retention
from dialplane.engine import catalog
from dialplane.engine.adapters import OpenCarriers
from dialplane.engine.agent_secrets import AgentSecrets
from dialplane.engine.agents import Library
from dialplane.engine.attempts import Attempts
from dialplane.engine.call_book import CallBook
from dialplane.engine.caller_numbers import CallerNumbers
from dialplane.engine.campaigns import Campaigns
from dialplane.engine.carriers import CarrierRecord
from dialplane.engine.contact_book import ContactBook
from dialplane.engine.contacts import Contacts
from dialplane.engine.corrections import Corrections
from dialplane.engine.deliveries import Deliveries
from dialplane.engine.directory import Directory
from dialplane.engine.explain import Explanations
from dialplane.engine.forecasts import Forecasts, made_apart
from dialplane.engine.intake import Intake
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
from dialplane.errors import EnvironmentFault, Invalid
from dialplane.files import open_files
from dialplane.ports import Carrier, Clock, MessageFormat
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
from dialplane.store.embedded import describe, limit_logs
from dialplane.store.postgres import Database, sql
from dialplane.wiring.app import App

if TYPE_CHECKING:
    from dialplane.webhooks import HttpScreening, HttpSender

log = structlog.get_logger()

TIDY_SECONDS = 3600.0


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


def folders(settings: Settings) -> list[Path]:
    """Where an installation writes. Raises EnvironmentFault."""
    database = [] if settings.database_url is not None else [describe(settings.home).folder]
    return [*database, settings.home, settings.files_folder, settings.carrier_logs]

"""event feed -> one reader per campaign or organization and process -> any number of listeners."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

import anyio
import structlog

from dialplane.api import messages
from dialplane.api.messages import Batch
from dialplane.engine.campaigns import Campaigns
from dialplane.engine.events import Events, Position
from dialplane.errors import EnvironmentFault
from dialplane.store.postgres import CONNECTION_FAULTS, Database, describe
from dialplane.wiring import App

POLL_SECONDS = 0.5
MOST_WAITING = 10_000  # events for one listener; whoever lets more pile up has to connect again

log = structlog.get_logger()
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Listener:
    """One client. It has been sent all up to `position`; what comes next waits here, at most `room` events.

    kinds: of events, () being all. progress: the latest of each campaign; those in between are passed over.
    """

    position: Position
    kinds: tuple[str, ...]
    room: int
    progress: dict[int, bytes] = field(default_factory=dict)
    too_slow: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _batches: deque[Batch] = field(default_factory=deque)
    _waiting: int = 0

    def give(self, batch: Batch) -> None:
        self._waiting += len(batch.events)
        if self._waiting > self.room:
            self.too_slow = True
            self._batches.clear()
        if not self.too_slow:
            self._batches.append(batch)
        self.wake.set()

    def give_progress(self, campaign_id: int, message: bytes) -> None:
        self.progress[campaign_id] = message
        self.wake.set()

    def take(self) -> Iterator[bytes]:
        """What is waiting."""
        while self._batches:
            batch = self._batches.popleft()
            self._waiting -= len(batch.events)
            if batch.position > self.position:
                chunk = batch.after(self.position).encoded(self.kinds)
                self.position = batch.position
                yield chunk
        while self.progress:
            yield self.progress.popitem()[1]


@dataclass(eq=False, slots=True)
class Topic:
    """A feed that is being read, as far as `position`, and who listens. campaign_id None: all of the organization."""

    events: Events
    campaigns: Campaigns
    campaign_id: int | None
    position: Position
    listeners: list[Listener] = field(default_factory=list)
    progress: dict[int, bytes] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None


class Hub:
    """Streams of events, in one process. Nothing is read while nobody listens.

    closing: set it, and every stream ends with a farewell. polls: how often feeds have been read.
    """

    def __init__(self, database: Database) -> None:
        self.poll_seconds = POLL_SECONDS
        self.most_waiting = MOST_WAITING
        self.polls = 0
        self.closing = anyio.Event()
        self._database = database
        self._topics: dict[tuple[int, int | None], Topic] = {}

    async def stream(
        self, app: App, campaign_id: int | None, position: Position, kinds: tuple[str, ...], *, resumed: bool
    ) -> AsyncIterator[bytes]:
        """Everything after `position`, without gap or double, for as long as the client stays.

        resumed: the position is the client's own, and may lie far back.
        """
        yield messages.opening(position)
        events = Events(app.database, app.organization_id, campaign_id)
        listener = Listener(position, kinds, self.most_waiting)
        if resumed:
            async for chunk in self._past(events, listener):
                yield chunk
        topic = self._join(app, events, campaign_id, listener)
        stopping = asyncio.ensure_future(self.closing.wait())
        stopping.add_done_callback(lambda _: listener.wake.set())
        try:
            if listener.position < topic.position:  # others had it read further than that
                async for chunk in self._past(events, listener):
                    yield chunk
            while not (listener.too_slow or self.closing.is_set()):
                for chunk in listener.take():
                    yield chunk
                await listener.wake.wait()
                listener.wake.clear()
            yield messages.reset(messages.TOO_SLOW) if listener.too_slow else messages.farewell()
        finally:
            stopping.cancel()
            self._leave((app.organization_id, campaign_id), listener)

    async def _past(self, events: Events, listener: Listener) -> AsyncIterator[bytes]:
        """What came after its position until now, a page at a time, as fast as the client reads."""
        while not self.closing.is_set():
            page = await self._patiently(events.after, listener.position)
            if not await self._patiently(events.keeps, listener.position):  # asked last: a purge may come between
                listener.position = await self._patiently(events.now)
                yield messages.reset(messages.EXPIRED, listener.position)
            elif page.at_end:
                return
            else:
                listener.position = page.position
                yield Batch(page.events, page.position).encoded(listener.kinds)

    # --- topics ----------------------------------------------------------------------------------------------

    def _join(self, app: App, events: Events, campaign_id: int | None, listener: Listener) -> Topic:
        key = (app.organization_id, campaign_id)
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = Topic(events, app.campaigns, campaign_id, listener.position)
            topic.task = asyncio.create_task(self._read(topic))
        topic.listeners.append(listener)
        listener.progress.update(topic.progress)
        return topic

    def _leave(self, key: tuple[int, int | None], listener: Listener) -> None:
        topic = self._topics[key]
        topic.listeners.remove(listener)
        if not topic.listeners:
            del self._topics[key]
            assert topic.task is not None
            topic.task.cancel()

    async def _read(self, topic: Topic) -> None:
        """Read the feed for all who listen. What cannot be read now is read later, from the same place on."""
        while True:
            self.polls += 1
            try:
                await self._poll(topic)
            except CONNECTION_FAULTS as fault:
                await self._recover(fault)
            except Exception:
                log.exception("events.not_read", campaign_id=topic.campaign_id)
            await asyncio.sleep(self.poll_seconds)

    async def _poll(self, topic: Topic) -> None:
        touched = set() if topic.campaign_id is None else {topic.campaign_id}
        while not (page := await topic.events.after(topic.position)).at_end:
            batch = Batch(page.events, page.position)
            topic.position = page.position
            for listener in topic.listeners:
                listener.give(batch)
            if topic.campaign_id is None:
                touched |= {event.campaign_id for event in page.events}
        if not touched:
            return
        for campaign_id, progress in (await topic.campaigns.progress(sorted(touched))).items():
            message = messages.encoded_progress(campaign_id, progress)
            if topic.progress.get(campaign_id) != message:
                topic.progress[campaign_id] = message
                for listener in topic.listeners:
                    listener.give_progress(campaign_id, message)

    # --- a database that is away -----------------------------------------------------------------------------

    async def _patiently(self, ask: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer, once the database can give it."""
        while True:
            try:
                return await ask(*args, **kwargs)
            except CONNECTION_FAULTS as fault:
                await self._recover(fault)
                await asyncio.sleep(self.poll_seconds)

    async def _recover(self, fault: BaseException) -> None:
        log.warning("database.lost", fault=describe(fault))
        try:
            await self._database.recover()
        except EnvironmentFault as failure:
            log.error("database.not_recovered", fault=str(failure))

"""event -> delivery -> receiver: what happened becomes messages, and these go out, each until it is taken.

One step looks after one webhook, in one short transaction: it locks the webhook's row, writes what tries came to, makes
deliveries of new events and claims those that go out next. Only then is anything sent. The deliveries themselves are
the queue, so a process knows nothing that it could lose: a claim that nobody settles is due again after its lease.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from dialplane.core.webhook import STANDARD, Backoff, hears
from dialplane.engine import happenings
from dialplane.engine.messages import NewDelivery, formatted, messages
from dialplane.errors import EnvironmentFault
from dialplane.ports import Answer, Message, MessageFormat, Sender
from dialplane.secrets import Secrets
from dialplane.store.postgres import CONNECTION_FAULTS, Connection, Database, Row, rows, sql

GONE = 410  # by which a receiver says that it wants no more
NEVER_ENDED = "its last try never came to an end"
STOPPED = "the sender stopped in the middle of it"

Key = tuple[int, int]  # organization, webhook

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """at_once: tries under way to one webhook, over all processes; at_once_failing: the same for one that has failed
    `failing_after` times in a row. in_all: tries under way in this process, to all. lease: after which a try that has
    not come to an end is made again; `margin` before that it is not begun any more.
    """

    at_once: int = 8
    at_once_failing: int = 1
    failing_after: int = 10
    in_all: int = 100
    events: int = 500  # that become deliveries in one step
    poll_seconds: float = 0.5
    lease: timedelta = timedelta(seconds=30)
    margin: timedelta = timedelta(seconds=15)
    grace_seconds: float = 2.0  # for tries under way when the process stops


@dataclass(frozen=True, slots=True, kw_only=True)
class _Try:
    """A delivery that this process has claimed."""

    webhook: Row
    delivery: Row
    claimed: float  # on the monotonic clock

    @property
    def key(self) -> Key:
        return self.webhook["organization_id"], self.webhook["id"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """What a try came to. delay: until the next one, for one that is still pending."""

    id: int
    tries: int
    state: str
    answer: Answer
    delay: timedelta | None
    at: float = field(default_factory=time.monotonic)


class Deliveries:
    """Delivers for all organizations; any number of processes may."""

    def __init__(
        self,
        database: Database,
        secrets: Secrets,
        sender: Sender,
        *,
        formats: Mapping[str, MessageFormat] | None = None,
        backoff: Backoff | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._sender = sender
        self._formats = formats or {}
        self._backoff = backoff or Backoff()
        self._bounds = bounds or Bounds()
        self._claim = uuid4()
        self._tries: set[asyncio.Task[None]] = set()
        self._ended: defaultdict[Key, list[_Ended]] = defaultdict(list)
        self._quiet_until: dict[Key, float] = {}  # webhooks for which a step had nothing to do
        self._last: Key = (0, 0)
        self._wake = asyncio.Event()

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping` is set; then tries under way have a moment to end. It may raise, and be called again."""
        stop = asyncio.create_task(stopping.wait())
        try:
            while not stopping.is_set():
                self._wake.clear()
                if not await self._round():
                    await self._pause(stop)
            await self._leave()
        finally:
            stop.cancel()

    async def _pause(self, stop: asyncio.Task[bool]) -> None:
        wake = asyncio.create_task(self._wake.wait())
        await asyncio.wait({stop, wake}, timeout=self._bounds.poll_seconds, return_when=asyncio.FIRST_COMPLETED)
        wake.cancel()

    async def _round(self) -> bool:
        """A step for each webhook that needs one, beginning after the one that was served last."""
        async with self._database.connection() as connection:
            due = {(row["organization_id"], row["id"]) for row in await rows(sql.due_webhooks(connection))}
        now = time.monotonic()
        self._quiet_until = {key: until for key, until in self._quiet_until.items() if until > now}
        awake = {key for key in due if key not in self._quiet_until} | set(self._ended)
        worked = False
        for key in sorted(awake, key=lambda key: (key <= self._last, key)):
            if await self._step_or_log(key):
                worked = True
            else:
                self._quiet_until[key] = time.monotonic() + self._bounds.poll_seconds
        return worked

    async def _step_or_log(self, key: Key) -> bool:
        """One webhook's fault is not the others'."""
        try:
            return await self._step(key)
        except CONNECTION_FAULTS:
            self._last = key  # should it be this one that takes too long, the others come first next time
            raise
        except Exception:
            log.exception("webhook.step_failed", organization_id=key[0], webhook_id=key[1])
            return False

    # --- one step ----------------------------------------------------------------------------------------

    async def _step(self, key: Key, *, going_on: bool = True) -> bool:
        """Whether there was anything to do. Nothing is, while another process has this webhook in hand."""
        ended = self._ended.pop(key, [])
        made, claimed = 0, list[_Try]()
        try:
            async with self._database.short_transaction() as connection:
                webhook = await sql.take_webhook(connection, organization_id=key[0], webhook_id=key[1])
                if webhook is None:
                    self._keep(key, ended)
                    return False
                finished, active = await self._settle(connection, webhook, ended)
                if going_on and active:
                    made = await self._tell(connection, webhook) or await self._walk(connection, webhook)
                if finished:
                    await sql.promote_deliveries(
                        connection, **_of(webhook), subjects=sorted(set(finished)), now=webhook["now"]
                    )
                if going_on and active:
                    claimed = await self._take(connection, webhook, ended)
        except BaseException:
            self._keep(key, ended)
            raise
        for one in claimed:
            self._last = key
            self._begin(one)
        return bool(ended or made or claimed)

    def _keep(self, key: Key, ended: Sequence[_Ended]) -> None:
        """For the next step; what is older than its lease has been claimed anew, or will be."""
        since = time.monotonic() - self._bounds.lease.total_seconds()
        if fresh := [one for one in ended if one.at > since]:
            self._ended[key] = fresh + self._ended.get(key, [])

    async def _settle(self, connection: Connection, webhook: Row, ended: Sequence[_Ended]) -> tuple[list[str], bool]:
        """The subjects of deliveries that are over, and whether the webhook is still active."""
        if not ended:
            return [], webhook["active"]
        settled = await rows(
            sql.settle_deliveries(
                connection,
                organization_id=webhook["organization_id"],
                claim=self._claim,
                ids=[one.id for one in ended],
                tries=[one.tries for one in ended],
                states=[one.state for one in ended],
                statuses=[one.answer.status for one in ended],
                faults=[one.answer.fault for one in ended],
                due_ats=[None if one.delay is None else webhook["now"] + one.delay for one in ended],
            )
        )
        if (failures := _failures(webhook, ended)) != webhook["failures"]:
            await sql.count_failures(connection, **_of(webhook), failures=failures)
        gone = any(one.answer.status == GONE for one in ended)
        if gone:
            reason = "the receiver answered 410: it wants no more"
            await sql.deactivate_webhook(connection, **_of(webhook), reason=reason, now=webhook["now"])
        return [row["subject"] for row in settled if row["state"] != "pending"], webhook["active"] and not gone

    async def _tell(self, connection: Connection, webhook: Row) -> int:
        """Deliveries of the next events, and the cursor past them, in one transaction. How many events."""
        after = {
            "organization_id": webhook["organization_id"],
            "transaction_id": webhook["transaction_id"],
            "event_id": webhook["event_id"],
            "limit": self._bounds.events,
        }
        events = await rows(
            sql.events_to_tell(connection, **after)
            if webhook["campaign_id"] is None
            else sql.events_of_campaign_to_tell(connection, campaign_id=webhook["campaign_id"], **after)
        )
        if not events:
            return 0
        await self._add(connection, webhook, await self._messages(connection, webhook, events))
        last = events[-1]
        await sql.move_webhook(connection, **_of(webhook), transaction_id=last["transaction_id"], event_id=last["id"])
        return len(events)

    async def _messages(self, connection: Connection, webhook: Row, events: Sequence[Row]) -> list[NewDelivery]:
        written = self._formats.get(webhook["format"])
        if written is None:
            assert webhook["format"] == STANDARD, f"this process knows no format '{webhook['format']}'"
            return await messages(connection, webhook["organization_id"], events, webhook["kinds"])
        if webhook["campaign_id"] is not None and any(event["kind"] in happenings.OVER for event in events):
            await sql.walk_webhook(connection, **_of(webhook), walked_to=0)
        heard = [
            event for event in events if any(hears(webhook["kinds"], kind) for kind in written.becomes(event["kind"]))
        ]
        found = await happenings.of_events(connection, webhook["organization_id"], heard) if heard else []
        return await formatted(connection, webhook, written, found)

    async def _walk(self, connection: Connection, webhook: Row) -> int:
        """Once a webhook's campaign is over: messages about the next of its contacts that were not called.

        They have no events: nobody touches a million rows because a campaign was cancelled. How many were looked at.
        """
        if webhook["walked_to"] is None:
            return 0
        of = {"organization_id": webhook["organization_id"], "campaign_id": webhook["campaign_id"]}
        written = self._formats[webhook["format"]]
        if not any(hears(webhook["kinds"], kind) for kind in written.becomes(happenings.SKIPPED)):
            await sql.walk_webhook(connection, **_of(webhook), walked_to=None)
            return 0
        if await sql.campaign_to_walk(connection, **of) is None:
            return 0
        most = self._bounds.events
        page = await rows(sql.contacts_to_walk(connection, after=webhook["walked_to"], limit=most, **of))
        ids = [row["id"] for row in page]
        found = await happenings.of_never_called(connection, ids, webhook["now"], **of)
        await self._add(connection, webhook, await formatted(connection, webhook, written, found))
        await sql.walk_webhook(connection, **_of(webhook), walked_to=ids[-1] if len(ids) == most else None)
        return len(ids)

    async def _add(self, connection: Connection, webhook: Row, new: Sequence[NewDelivery]) -> None:
        if not new:
            return
        await rows(
            sql.add_deliveries(
                connection,
                **_of(webhook),
                uuids=[one.uuid for one in new],
                kinds=[one.kind for one in new],
                subjects=[one.subject for one in new],
                bodies=[one.body for one in new],
                now=webhook["now"],
            )
        )

    async def _take(self, connection: Connection, webhook: Row, ended: Sequence[_Ended]) -> list[_Try]:
        """Claim what goes out now, as far as there is room: for this webhook, and in this process."""
        failing = _failures(webhook, ended) >= self._bounds.failing_after
        most = self._bounds.at_once_failing if failing else self._bounds.at_once
        under_way = await sql.claimed_deliveries(connection, **_of(webhook), now=webhook["now"])
        room = min(most - under_way, self._bounds.in_all - len(self._tries))
        if room <= 0:
            return []
        taken = await rows(
            sql.claim_deliveries(
                connection,
                **_of(webhook),
                now=webhook["now"],
                claim=self._claim,
                # One that may take longer than most is not taken for dead sooner.
                until=webhook["now"] + self._bounds.lease + timedelta(seconds=webhook["timeout_seconds"] or 0),
                limit=room,
            )
        )
        claimed = time.monotonic()
        return [_Try(webhook=webhook, delivery=row, claimed=claimed) for row in taken]

    # --- one try -----------------------------------------------------------------------------------------

    def _begin(self, one: _Try) -> None:
        task = asyncio.create_task(self._try(one))
        self._tries.add(task)
        task.add_done_callback(self._tries.discard)

    async def _try(self, one: _Try) -> None:
        if time.monotonic() - one.claimed > (self._bounds.lease - self._bounds.margin).total_seconds():
            return  # this process was frozen: somebody else sends it
        delivery = one.delivery
        if delivery["tries"] > self._backoff.most_tries:  # it may be what kills the processes that try it
            self._end(one, "dead", Answer(fault=NEVER_ENDED), None)
            return
        try:
            answer = await self._send(one)
        except asyncio.CancelledError:
            self._end(one, "pending", Answer(fault=STOPPED), timedelta(0))
            raise
        delay = self._backoff.after(delivery["tries"], random.random())
        if not answer.fault:
            self._end(one, "delivered", answer, None)
        elif answer.status == GONE or delay is None:
            self._end(one, "dead", answer, None)
        else:
            self._end(one, "pending", answer, delay)

    async def _send(self, one: _Try) -> Answer:
        try:
            message = Message(
                url=one.webhook["url"],
                id=one.delivery["uuid"],
                body=one.delivery["body"],
                sent_at=one.webhook["now"],
                secrets=[self._secrets.decrypt(secret) for secret in valid_secrets(one.webhook, one.webhook["now"])],
                format=one.webhook["format"],
                headers=json.loads(self._secrets.decrypt(one.webhook["headers"])) if one.webhook["headers"] else {},
                timeout_seconds=one.webhook["timeout_seconds"],
            )
            return await self._sender.send(message)
        except EnvironmentFault as fault:
            return Answer(fault=str(fault))
        except Exception as fault:
            log.exception("delivery.failed", webhook_id=one.webhook["id"], delivery_id=one.delivery["id"])
            return Answer(fault=f"{type(fault).__name__} in the sender")

    def _end(self, one: _Try, state: str, answer: Answer, delay: timedelta | None) -> None:
        self._ended[one.key].append(
            _Ended(id=one.delivery["id"], tries=one.delivery["tries"], state=state, answer=answer, delay=delay)
        )
        self._wake.set()

    # --- the end -----------------------------------------------------------------------------------------

    async def _leave(self) -> None:
        """Wait a moment for tries under way, then write what is known. The rest is due again after its lease."""
        if self._tries:
            _, late = await asyncio.wait(self._tries, timeout=self._bounds.grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        until = time.monotonic() + self._bounds.grace_seconds
        while self._ended and time.monotonic() < until:
            for key in list(self._ended):
                if not await self._step(key, going_on=False):
                    await asyncio.sleep(0.02)  # another process has it in hand, for milliseconds


def valid_secrets(webhook: Row, now: datetime) -> list[str]:
    """Encrypted, the newest first: the one before it signs too until its time is over."""
    until: datetime | None = webhook["old_secret_until"]
    return [webhook["secret"], *([webhook["old_secret"]] if until is not None and until > now else [])]


def _failures(webhook: Row, ended: Sequence[_Ended]) -> int:
    """In a row, by the order in which the tries ended."""
    count: int = webhook["failures"]
    for one in ended:
        count = count + 1 if one.answer.fault else 0
    return count


def _of(webhook: Row) -> dict[str, int]:
    return {"organization_id": webhook["organization_id"], "webhook_id": webhook["id"]}

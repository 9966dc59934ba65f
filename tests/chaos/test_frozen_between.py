"""A worker that is frozen between two steps, at the worst instant, and comes back to a call that is not its own.

Two workers share a database and a carrier's log, each with a clock and carriers of its own, as two processes have them.
Freezing one makes its clock stand at a step of our choice; when it thaws, its monotonic clock has jumped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from checks import LogLine, every_place_has_one_end, no_attempt_is_placed_twice, no_number_rings_twice_at_once, read_log

from dialplane.clocks import RealClock
from dialplane.config import Settings
from dialplane.core.attempt import Order
from dialplane.core.campaign import CampaignState, Policies
from dialplane.core.retry import RetryPolicy
from dialplane.engine import catalog
from dialplane.engine.worker import Worker
from dialplane.ports import Carrier, Lookup
from dialplane.store.postgres import Database
from dialplane.wiring import App, assemble

ANA = "+12122000001"
# Long enough that whoever is called again is still on the first call.
CARRIER = {"outcomes": {"answered": 1}, "ring_seconds": 0.1, "talk_seconds": 4, "send_timeout_seconds": 0.1}
LONG_SECONDS = 60.0


class Step:
    """A place in the code that can be frozen once: whoever comes there waits until it is thawed."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._to_pass: int | None = None
        self._thawed = asyncio.Event()
        self._thawed.set()

    def freeze(self, *, after: int = 0) -> None:
        """Who comes here next, or after so many others, stays."""
        self._to_pass = after
        self.reached.clear()

    @property
    def frozen(self) -> bool:
        return not self._thawed.is_set()

    async def passed(self) -> None:
        if self._to_pass == 0:
            self._thawed.clear()
            self.reached.set()
        if self._to_pass is not None:
            self._to_pass = self._to_pass - 1 if self._to_pass else None
        await self._thawed.wait()

    def thaw(self) -> None:
        self._thawed.set()


class FreezableClock(RealClock):
    """Nothing moves while any step is frozen, and then much time has gone by."""

    def __init__(self) -> None:
        super().__init__()
        self.to_carrier = Step()
        self.after_lookup = Step()
        self.after_placing = Step()
        self.steps = (self.to_carrier, self.after_lookup, self.after_placing)
        self._ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead

    async def sleep_until(self, at: datetime) -> None:
        await super().sleep_until(at)
        await self._stand()

    async def wait(self, wake: asyncio.Event, until: datetime | None) -> None:
        await super().wait(wake, until)
        await self._stand()

    def thaw(self) -> None:
        self._ahead += LONG_SECONDS
        for step in self.steps:
            step.thaw()

    async def _stand(self) -> None:
        for step in self.steps:
            if step.frozen:
                await step.passed()


class FreezableCarriers:
    """Carriers that can be frozen on the way to them, and on the way back."""

    def __init__(self, inner: Any, clock: FreezableClock) -> None:
        self._inner = inner
        self._clock = clock

    async def get(self, organization_id: int, carrier_id: int) -> Any:
        carrier = await self._inner.get(organization_id, carrier_id)
        await self._clock.to_carrier.passed()
        return _Asked(carrier, self._clock)


@dataclass
class _Asked:
    inner: Carrier
    clock: FreezableClock

    async def place(self, order: Order) -> str:
        try:
            return await self.inner.place(order)
        finally:
            await self.clock.after_placing.passed()

    async def lookup(self, order: Order) -> Lookup:
        answer = await self.inner.lookup(order)
        await self.clock.after_lookup.passed()
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass
class Party:
    """One worker with its own clock and carriers."""

    app: App
    clock: FreezableClock
    worker: Worker
    running: asyncio.Task[None] | None = None


class Scene:
    """Workers on one campaign of one contact."""

    def __init__(self, database: Database, folder: Path, stack: AsyncExitStack) -> None:
        self._database = database
        self._folder = folder
        self._stack = stack
        self._organization_id = 0
        self.parties: list[Party] = []
        self.campaign_id = 0
        self.log_path = Path()

    async def party(self) -> Party:
        """A worker that is not running yet."""
        clock = FreezableClock()
        self._organization_id = await catalog.ensure_organization(self._database)
        settings = Settings(home=self._folder)
        app = assemble(settings, self._database, clock, self._organization_id, self._folder / "logs")
        self._stack.push_async_callback(app.carriers.close)
        carriers = FreezableCarriers(app.carriers, clock)
        worker = Worker(self._database, clock, carriers, app.agents, app.screening)
        app.carriers.listen(worker.calls.receive)
        party = Party(app, clock, worker)
        self.parties.append(party)
        return party

    async def campaign(self, app: App, *, carrier: Mapping[str, Any], retries: int) -> None:
        path = self._folder / "contacts.csv"
        path.write_text(f"phone_number\n{ANA}\n", encoding="utf-8")
        policies = Policies(retry=RetryPolicy(max_retries=retries, delay_seconds=1))
        self.campaign_id = await app.campaigns.create(
            name="frozen",
            agent_id=await app.add_agent(None),
            carrier_id=await app.add_carrier(carrier),
            policies=policies,
        )
        await app.intake.store(self.campaign_id, path, None)
        await app.intake.run(self.campaign_id, frozenset())
        await app.campaigns.start(self.campaign_id)
        found = await app.carrier_log(self.campaign_id)
        assert found is not None
        self.log_path = found

    def work(self, party: Party) -> None:
        party.running = asyncio.create_task(party.worker.run())

    async def forget(self, party: Party) -> None:
        """The others have not heard of it for too long."""
        async with self._database.connection() as connection:
            await connection.execute("DELETE FROM worker WHERE id = $1", party.worker.worker_id)

    def log(self) -> list[LogLine]:
        return read_log(self.log_path)

    def placed(self) -> list[str]:
        return [line.attempt_id for line in self.log() if line.event == "place"]

    async def until(self, happened: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while not await happened():
                for party in self.parties:
                    if party.running is not None and party.running.done():
                        party.running.result()
                await asyncio.sleep(0.02)

    async def until_placed(self, count: int = 1) -> None:
        async def placed() -> bool:
            return len(self.placed()) >= count

        await self.until(placed)

    async def until_reached(self, step: Step) -> None:
        async def reached() -> bool:
            return step.reached.is_set()

        await self.until(reached)

    async def until_ended(self, seconds: float = 20) -> None:
        async def ended() -> bool:
            return (await self.parties[0].app.campaigns.get(self.campaign_id)).state is CampaignState.COMPLETED

        await self.until(ended, seconds)

    async def rows(self) -> list[Mapping[str, Any]]:
        async with self._database.connection() as connection:
            found = await connection.fetch(
                "SELECT uuid, state, disposition, spent, cause FROM attempt WHERE campaign_id = $1 ORDER BY id",
                self.campaign_id,
            )
        return list(found)

    async def stop(self) -> None:
        running = [party.running for party in self.parties if party.running is not None]
        for party in self.parties:
            party.clock.thaw()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


OpenScene = Callable[..., Awaitable[tuple[Scene, Party, Party]]]


@pytest_asyncio.fixture
async def open_scene(database: Database, tmp_path: Path) -> AsyncIterator[OpenScene]:
    """Two workers, and a campaign that neither dials yet."""
    async with AsyncExitStack() as stack:
        scene = Scene(database, tmp_path, stack)

        async def open_scene(carrier: Mapping[str, Any] = CARRIER, retries: int = 2) -> tuple[Scene, Party, Party]:
            frozen, other = await scene.party(), await scene.party()
            await scene.campaign(frozen.app, carrier=carrier, retries=retries)
            return scene, frozen, other

        yield open_scene
        await scene.stop()


def one_call(scene: Scene) -> None:
    log = scene.log()
    no_attempt_is_placed_twice(log)
    no_number_rings_twice_at_once(log)
    every_place_has_one_end(log)
    assert len(scene.placed()) == 1, f"one contact who answers is called once, not {len(scene.placed())} times"


# The carrier is asked for three times: what a call needs is there before the guard.
BEFORE_THE_GUARD, BEHIND_IT, AT_LAST = 0, 1, 2


@pytest.mark.asyncio
@pytest.mark.parametrize("steps", [BEHIND_IT, AT_LAST])
async def test_frozen_past_its_hour_it_does_not_send(open_scene: OpenScene, steps: int) -> None:
    scene, frozen, _ = await open_scene()
    frozen.clock.to_carrier.freeze(after=steps)
    scene.work(frozen)
    await scene.until_reached(frozen.clock.to_carrier)
    (intent,) = await scene.rows()
    assert intent["state"] == "sending"

    frozen.clock.thaw()
    await scene.until_ended()

    assert str(intent["uuid"]) not in scene.placed()
    one_call(scene)
    assert [row["disposition"] for row in await scene.rows()] == ["canceled", "answered"]


@pytest.mark.asyncio
@pytest.mark.parametrize("steps", [BEFORE_THE_GUARD, BEHIND_IT, AT_LAST])
async def test_what_another_worker_has_sent_meanwhile_is_left_alone(open_scene: OpenScene, steps: int) -> None:
    scene, frozen, other = await open_scene()
    frozen.clock.to_carrier.freeze(after=steps)
    scene.work(frozen)
    await scene.until_reached(frozen.clock.to_carrier)
    await scene.forget(frozen)
    scene.work(other)
    await scene.until_placed()  # the same attempt, by the other worker

    frozen.clock.thaw()
    await scene.until_ended()

    one_call(scene)
    assert [(row["disposition"], row["spent"]) for row in await scene.rows()] == [("answered", True)]


@pytest.mark.asyncio
async def test_frozen_before_it_sends_again_it_leaves_the_call_of_another_worker_alone(open_scene: OpenScene) -> None:
    scene, frozen, other = await open_scene()
    # An attempt that was guarded and never sent: its worker died.
    dead = await scene.party()
    dead.clock.to_carrier.freeze(after=BEHIND_IT)
    scene.work(dead)
    await scene.until_reached(dead.clock.to_carrier)
    await scene.forget(dead)
    await asyncio.sleep(2.3)  # the intent's hour and the send timeout pass
    # One worker has asked, was told that it was never placed, and freezes; the other one asks too, and sends.
    frozen.clock.after_lookup.freeze()
    scene.work(frozen)
    await scene.until_reached(frozen.clock.after_lookup)
    await scene.forget(frozen)
    scene.work(other)
    await scene.until_placed()

    frozen.clock.thaw()
    await scene.until_ended()

    one_call(scene)
    assert [(row["disposition"], row["spent"]) for row in await scene.rows()] == [("answered", True)]


@pytest.mark.asyncio
async def test_frozen_while_it_sends_again_it_does_not_send_late(open_scene: OpenScene) -> None:
    scene, frozen, other = await open_scene()
    dead = await scene.party()
    dead.clock.to_carrier.freeze(after=BEHIND_IT)
    scene.work(dead)
    await scene.until_reached(dead.clock.to_carrier)
    await scene.forget(dead)
    await asyncio.sleep(2.3)

    frozen.clock.to_carrier.freeze(after=1)  # the first time, it asks
    scene.work(frozen)
    await scene.until_reached(frozen.clock.to_carrier)
    assert [row["state"] for row in await scene.rows()] == ["sending"]
    await scene.forget(frozen)
    scene.work(other)
    await scene.until_placed()

    frozen.clock.thaw()
    await scene.until_ended()

    one_call(scene)


@pytest.mark.asyncio
async def test_a_worker_forgets_calls_that_another_one_has_settled(open_scene: OpenScene) -> None:
    """Else it would hold their lines for ever, and never come to its end."""
    scene, frozen, other = await open_scene({**CARRIER, "timeouts": 1, "talk_seconds": 0.5, "send_timeout_seconds": 10})
    frozen.clock.after_placing.freeze()  # it does not hear that its call was accepted
    scene.work(frozen)
    await scene.until_reached(frozen.clock.after_placing)
    await scene.forget(frozen)
    scene.work(other)
    await scene.until_ended()

    frozen.clock.thaw()
    await asyncio.sleep(0.1)
    frozen.worker.stop()
    assert frozen.running is not None
    await asyncio.wait_for(frozen.running, 5)

    one_call(scene)

"""A campaign dialled from four machines while workers are killed, frozen and cut off, and the primary is lost for good.

Each worker, the primary and its synchronous standby have a machine of their own: see `benchmarks.network`.
DIALPLANE_CHAOS_SEED repeats a run's faults (never quite their instants); DIALPLANE_CHAOS_SCALE=0.2 makes it a fifth as
long.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from checks import never_more_lines_than, read_log
from debian_postgres import NEEDS_POSTGRESQL
from namespaces import NEEDS_NAMESPACES
from promises import (
    FROZEN_LATENESS,
    average_pace,
    everything_holds,
    longest_gap,
    pace_holds,
    pace_holds_where_nothing_happened,
)
from replicated import Replicated
from stage import DIALPLANE, Fault, Process, Stage, ended, numbers, scale, seed

from benchmarks.network import Machine, Network
from dialplane.core.breaker import CircuitBreaker
from dialplane.core.retry import RetryPolicy
from dialplane.engine.reconciler import SILENCE

pytestmark = [NEEDS_NAMESPACES, NEEDS_POSTGRESQL]

CONTACTS = round(20_000 * scale())
EACH = max(2, round(5 * scale()))  # so many kills, freezes and cuts
WORKERS, FEWEST_WELL = 4, 2
LINES, CPS, RETRIES = 60, 200.0, 1
CAPACITY = 25  # else one worker uses nearly all lines, and three have nothing to lose
# Nearly all lines are in use, and fewer are left where those of a lost worker are still to be asked about.
CARRIER = {
    "cps": None,
    "outcomes": {"answered": 0.96, "busy": 0.04},
    "ring_seconds": [0.02, 0.15],
    "talk_seconds": [0.05, 0.3],
}
LONGEST_STOP = timedelta(seconds=10)
PROMOTED_AFTER_SECONDS = 1.0  # whoever watches over the primary takes time as well
PATIENCE_SECONDS = 60.0  # for the calls that lead to the next fault, and for the last of the campaign
SILENT_SECONDS = SILENCE.total_seconds()  # a worker that was silent for this long is taken for dead


@dataclass
class Site(Stage):
    """A stage whose workers run on machines of their own, and whose database is somewhere else in their network."""

    network: Network = field(default_factory=Network)
    databases: Replicated | None = None
    machines: list[Machine] = field(default_factory=list)
    workers: dict[Machine, Process] = field(default_factory=dict)
    _mends: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def open(self) -> None:
        self.network.open()
        self.databases = Replicated.on(self.network, self.home.parent)
        self.databases.start()
        self.database_url = self.databases.local_url  # this process is on no machine of the network
        self.machines = [self.network.machine(f"worker{number + 1}") for number in range(WORKERS)]

    def close(self) -> None:
        for process in self.processes:
            process.popen.kill()
            process.popen.wait()
        try:
            if self.databases is not None:
                self.databases.close()
        finally:
            self.network.close()

    def fill_up(self) -> None:
        """A worker on each machine, as a service manager keeps it; one that finds no database ends and comes again."""
        assert self.databases is not None
        for machine in self.machines:
            if machine not in self.workers or not self.workers[machine].alive:
                self.workers[machine] = self.start(
                    *DIALPLANE,
                    "worker",
                    f"--capacity={CAPACITY}",
                    name=machine.name,
                    environment={"DIALPLANE_DATABASE_URL": self.databases.url},
                    through=machine.through,
                )

    @property
    def well(self) -> list[Machine]:
        """Whose worker runs, and is neither frozen nor cut off."""
        return [
            machine
            for machine, worker in self.workers.items()
            if worker.alive and worker.frozen_at is None and not machine.is_cut
        ]

    def cut(self, machine: Machine, seconds: float) -> None:
        """Drop its packets; `tend` ends that when its time has come."""
        machine.cut()
        at = datetime.now(UTC)

        def mend() -> None:
            machine.mend()
            now = datetime.now(UTC)
            self.faults.append(Fault(at, f"{machine.name} cut off for {(now - at).total_seconds():.2f} s", now))

        self._mends.append((time.monotonic() + seconds, mend))

    def tend(self, *, everybody: bool = False) -> None:
        """Thaw and mend whose time has come, and start what has ended."""
        self.thaw(everybody=everybody)
        due = [mend for at, mend in self._mends if everybody or at <= time.monotonic()]
        self._mends = [(at, mend) for at, mend in self._mends if mend not in due]
        for mend in due:
            mend()
        self.fill_up()

    def fail_over(self) -> None:
        assert self.databases is not None
        at = datetime.now(UTC)
        self.databases.lose_primary()
        time.sleep(PROMOTED_AFTER_SECONDS)
        self.databases.promote()
        self.faults.append(Fault(at, "primary lost, standby promoted", datetime.now(UTC)))


@dataclass
class Chaos:
    """Seeded faults; they come as the campaign advances, so that all of them hit it."""

    site: Site
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)

    def deeds(self) -> list[Callable[[], None]]:
        """Kinds by turns; the primary is lost in their middle."""
        kinds = [self.kill, self.freeze, self.cut]
        deeds: list[Callable[[], None]] = []
        for _ in range(EACH):
            self.chance.shuffle(kinds)
            deeds += kinds
        deeds.insert(len(deeds) // 2, self.fail_over)
        return deeds

    def kill(self) -> None:
        self.site.kill(self.site.workers[self.victim()])
        self.done["kill"] += 1

    def freeze(self) -> None:
        """Not with the lock on the carrier's log: no real carrier stops with one of its callers."""
        while True:
            worker = self.site.workers[self.victim()]
            self.site.freeze(worker, self.seconds(self.done["freeze"]))
            if not self.site.holds_the_log(worker):
                break
            worker.popen.send_signal(signal.SIGCONT)
            worker.frozen_at = None
        self.done["freeze"] += 1

    def cut(self) -> None:
        seconds = self.seconds(self.done["cut"])
        self.site.cut(self.victim(), seconds)
        self.done["cut"] += 1
        self.done["cut for long"] += seconds > SILENT_SECONDS

    def fail_over(self) -> None:
        self.site.fail_over()
        self.done["promotion"] += 1

    def seconds(self, done: int) -> float:
        """By turns shorter and longer than a silent worker counts as alive."""
        return self.chance.uniform(*((0.2, 4) if done % 2 else (SILENT_SECONDS + 0.5, SILENT_SECONDS + 3)))

    def victim(self) -> Machine:
        self.wait_until(lambda: len(self.site.well) > FEWEST_WELL)
        return self.chance.choice(self.site.well)

    def run(self) -> None:
        """Until the last fault was made and the campaign has ended."""
        deeds = self.deeds()
        for count, deed in enumerate(deeds):
            # Spread over nine tenths of the first attempts, so that no fault comes too late to matter. Each hits a
            # campaign that is dialled again since the one before: what two of them may cost together is not promised.
            wanted = 0.9 * CONTACTS * (count + 1) / (len(deeds) + 1)
            self.wait_until(lambda wanted=wanted: self.site.placed() >= wanted)
            deed()
        self.wait_until(lambda: ended(self.site.state()), pause_seconds=0.2)
        self.site.tend(everybody=True)

    def wait_until(self, happened: Callable[[], bool], *, pause_seconds: float = 0.05) -> None:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not happened():
            assert time.monotonic() < give_up_at, f"{self.site.placed()} calls, and it does not go on"
            self.site.tend()
            time.sleep(pause_seconds)


@pytest.fixture
def site(folder: Path) -> Iterator[Site]:
    made = Site(folder / "home")
    try:
        made.open()
        yield made
        print(made.told())  # pytest shows it for a test that failed
    finally:
        made.close()


def test_every_promise_holds_while_machines_are_lost_and_cut_off(site: Site) -> None:
    chosen = seed()
    print(f"DIALPLANE_CHAOS_SEED={chosen}")
    contacts = numbers(CONTACTS)
    site.start_campaign(
        contacts,
        carrier=CARRIER | {"seed": chosen},
        retry=RetryPolicy(max_retries=RETRIES, delay_seconds=1),
        # A process that was stopped with the lock on the carrier's log fails everybody's calls, and no trunk does.
        breaker=CircuitBreaker(enabled=False),
        max_lines=LINES,
        cps=CPS,
    )
    chaos = Chaos(site, random.Random(chosen))
    site.fill_up()
    begun = time.monotonic()
    # Our own connections are local ones, and those of the standby are not ours to see.
    dialling_from = "SELECT count(DISTINCT client_addr) FROM pg_stat_activity"
    chaos.wait_until(lambda: site.placed() > CPS and site.ask(dialling_from) == WORKERS)

    chaos.run()

    log = read_log(site.log)
    places = sorted(line.at for line in log if line.event == "place")
    stop, stopped_at = longest_gap(log, places[0], places[-1])  # there was work due from the first to the last
    print(f"{dict(chaos.done)} in {time.monotonic() - begun:.0f} s, {len(places)} calls, {average_pace(log):.0f}/s")
    print(f"no call for {stop} from {stopped_at:%H:%M:%S.%f} on")
    assert site.state() == "completed"
    everything_holds(log, site.report(), site.progress(), contacts=contacts, lines=LINES, cps=CPS, max_retries=RETRIES)
    pace_holds_where_nothing_happened(
        log, CPS, [(fault.at - timedelta(seconds=0.5), fault.until) for fault in site.faults]
    )
    assert stop <= LONGEST_STOP

    # The promises were put to the test, both limits among them.
    with pytest.raises(AssertionError, match="calls at once"):
        never_more_lines_than(log, LINES * 9 // 10)
    with pytest.raises(AssertionError, match="outran"):
        pace_holds(log, 0.5 * average_pace(log), FROZEN_LATENESS)
    assert {chaos.done[kind] for kind in ("kill", "freeze", "cut")} == {EACH}
    assert len(site.faults) == 3 * EACH + 1
    lost = sum(process.said().count("database.lost") for process in site.processes)
    assert lost >= chaos.done["cut for long"], "workers did not notice that they were cut off"
    assert chaos.done["promotion"] == 1
    assert site.databases is not None and site.databases.promoted
    assert any(line.event == "lookup" and line.result == "known" for line in log)
    assert any(line.number == 2 for line in log)

"""What carriers promise beyond the contract whose sound comes to this process, and those that call us back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import pytest_asyncio
from calls import FOREVER, PERSON, until
from contract import CarrierContract
from network import Network
from stages import SILENT, STAGES, SoundStage

from dialplane.carriers.callbacks import Callbacks
from dialplane.clocks import RealClock
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable, Invalid, PlacementUnknown
from dialplane.files import LocalFiles
from dialplane.ports import HungUp, Lookup
from dialplane.providers import build_carrier


class CallbackContract(CarrierContract):
    """Of carriers that say after the answer whether it was a machine. Subclasses have a fixture `network`."""

    @pytest_asyncio.fixture
    async def stage(self, network: Network, tmp_path: Path) -> AsyncIterator[SoundStage]:
        made = STAGES[type(network)](network, tmp_path, machine_detection=True)
        yield made
        await made.close()

    @pytest.mark.asyncio
    async def test_a_person_comes_with_a_line_and_a_machine_without(self, stage: SoundStage) -> None:  # type: ignore[override]
        """Both are talked to at once; it is told later that one of them is a machine, which is hung up on."""
        person, machine = stage.order(Disposition.ANSWERED), stage.order(Disposition.VOICEMAIL)

        await stage.carrier.place(person)
        await stage.carrier.place(machine)

        assert (await stage.end(machine)).disposition is Disposition.VOICEMAIL
        await stage.run_until_over()
        assert stage.heard.end(person).disposition is Disposition.ANSWERED


class SoundPromises:
    """Subclasses have a fixture `stage`, whose people take calls at once."""

    @pytest.mark.asyncio
    async def test_credentials_that_are_revoked_end_the_carrier_with_the_reason(self, stage: SoundStage) -> None:
        await stage.rings()
        stage.network.revoked = True
        before = len(stage.network.requests)

        for _ in range(3):
            with pytest.raises(
                CarrierUnavailable, match=f"does not accept this account or its credentials: {stage.denied}"
            ):
                await stage.carrier.place(stage.call())

        assert len(stage.network.requests) == before + 1, "nobody asks again who has been told no for good"
        assert stage.denied in str(await stage.carrier.probe())

    @pytest.mark.asyncio
    async def test_an_answer_that_never_comes_leaves_it_open_and_what_is_told_closes_it(
        self, stage: SoundStage
    ) -> None:
        order = stage.call(SILENT, seconds=1.0)

        with pytest.raises(PlacementUnknown):
            await stage.carrier.place(order)

        await (await stage.line(order)).hang_up()
        assert (await stage.end(order)).disposition is Disposition.ANSWERED
        assert len(stage.network.calls) == 1


class CallbackPromises(SoundPromises):
    """Subclasses have a fixture `stage` of a Cloud. name: of the carrier, for people; account: settings that suffice;
    last: the callback of an end.
    """

    provider: ClassVar[str]
    name: ClassVar[str]
    account: ClassVar[Mapping[str, str]]
    last: ClassVar[str]

    @pytest.mark.asyncio
    @pytest.mark.parametrize(
        ("ending", "disposition", "sip"),
        [
            ("01", Disposition.BUSY, 486),
            ("04", Disposition.INVALID_NUMBER, 404),
            ("05", Disposition.DECLINED, 603),
            ("07", Disposition.BLOCKED, 608),
        ],
    )
    async def test_a_call_that_nobody_takes(
        self, stage: SoundStage, ending: str, disposition: Disposition, sip: int
    ) -> None:
        end = await stage.ended(f"+141555501{ending}")

        assert (end.disposition, end.sip_status, end.answered_at, end.recording) == (disposition, sip, None, "")

    @pytest.mark.asyncio
    async def test_a_pause_that_is_asked_for_is_kept(self, stage: SoundStage) -> None:
        stage.network.retry_after = "1"
        for _ in range(3):
            with pytest.raises(CarrierRefused) as refused:
                await stage.carrier.place(stage.order(Disposition.RATE_LIMITED))
            assert refused.value.disposition is Disposition.RATE_LIMITED
        assert len(stage.network.requests) == 1

        await asyncio.sleep(1.05)

        assert (await stage.ended("+14155550101")).disposition is Disposition.BUSY

    @pytest.mark.asyncio
    async def test_what_is_told_again_is_taken_as_if_it_were_new(self, stage: SoundStage) -> None:
        stage.network.twice = True
        order, line = await stage.answered()
        await line.hang_up()
        await stage.end(order)
        call = stage.network.call_to(PERSON)
        await until(lambda: len(call.answers) == 12, what="four callbacks three times")

        assert set(call.answers) == {204}
        assert await stage.network.bring(*stage.network.told[0]) == 204, "long after the end too"

    @pytest.mark.asyncio
    async def test_an_end_that_is_never_told_is_asked_for(
        self, stage: SoundStage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dialplane.carriers.sound_carrier.LATE_SECONDS", 0.2)
        stage.network.loses, stage.network.hangs_up_after = (self.last,), 0.3
        order, line = await stage.answered()

        with pytest.raises(HungUp):
            await line.hear()
            await line.hear()

        assert (await stage.end(order)).disposition is Disposition.ANSWERED

    @pytest.mark.asyncio
    async def test_a_call_that_is_hung_up_while_it_is_being_placed_does_not_ring_on(self, stage: SoundStage) -> None:
        stage.network.answers_after = 0.3
        order = stage.call(FOREVER)
        placing = asyncio.create_task(stage.carrier.place(order))
        await until(lambda: stage.network.requests)
        await stage.carrier.hang_up(order.attempt_uuid)
        await placing

        assert (await stage.end(order)).disposition is Disposition.CANCELED

    @pytest.mark.asyncio
    async def test_a_call_that_rings_is_talked_on_by_the_worker_that_took_it_over(self, stage: SoundStage) -> None:
        stage.network.rings_for = 60.0
        order = stage.call()
        call_id = await stage.carrier.place(order)
        await until(lambda: "Ringing" in stage.heard.kinds(order))
        second = stage.beside()  # the first one has died

        assert await second.carrier.lookup(replace(order, carrier_call_id=call_id)) is Lookup.KNOWN
        stage.network.rings_for = 0.0
        await (await second.line(order)).hang_up()

        assert (await second.end(order)).disposition is Disposition.ANSWERED
        assert "Answered" not in stage.heard.kinds(order)

    @pytest.mark.parametrize("public_url", [None, "http://calls.example.org"])
    def test_without_an_address_that_is_reached_from_there_nothing_is_placed(
        self, public_url: str | None, tmp_path: Path
    ) -> None:
        callbacks = None if public_url is None else Callbacks(public_url, "127.0.0.1")
        with pytest.raises(Invalid, match=f"calls through {self.name} need DIALPLANE_PUBLIC_URL"):
            build_carrier(self.provider, self.account, RealClock(), tmp_path, 1, LocalFiles(tmp_path), callbacks)

"""Carriers whose calls have their sound in this process, each on a network of the tests' own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from calls import PERSON, Calls
from cloud import PUBLIC_URL, AtTheWorker, Cloud, cloud
from contract import Heard, Live
from network import Network
from pbx import Pbx, pbx
from telnyx_cloud import Telnyx, telnyx_cloud

from dialplane.carriers.ari.asterisk import Asterisk
from dialplane.carriers.ari.carrier import AriCarrier
from dialplane.carriers.callbacks import Callbacks
from dialplane.carriers.sound_carrier import SoundCarrier
from dialplane.carriers.telnyx.account import Account as TelnyxAccount
from dialplane.carriers.telnyx.carrier import TelnyxCarrier
from dialplane.carriers.twilio.account import Account as TwilioAccount
from dialplane.carriers.twilio.carrier import TwilioCarrier
from dialplane.clocks import RealClock
from dialplane.core.attempt import CallLimits, Order
from dialplane.core.disposition import Disposition
from dialplane.files import LocalFiles
from dialplane.voice.ulaw import from_ulaw

# The last two digits of numbers; further ones are a network's own.
ENDINGS = {
    Disposition.BUSY: "01",
    Disposition.NO_ANSWER: "02",
    Disposition.VOICEMAIL: "03",
    Disposition.ANSWERED: "06",
    Disposition.RATE_LIMITED: "11",
    Disposition.CAPACITY: "12",
}
LOST, SILENT = "+14155550121", "+14155550122"  # a call is accepted, and then there is a 500, or no answer at all


class SoundStage(Live, Calls):
    """A carrier of one worker; a subclass for each."""

    denied: ClassVar[str]  # what is said to who has no valid credentials
    left: ClassVar[str]  # the cause where the person hangs up

    def __init__(self, network: Any, folder: Path, **settings: Any) -> None:
        self.network, self.folder, self.settings = network, folder, settings
        self.clock, self.files = RealClock(), LocalFiles(folder)
        self.carrier: Any = self.opened({**network.settings, **settings})
        self.heard = Heard()
        self.made: list[Order] = []
        self.later: list[SoundStage] = []
        self.carrier.listen(self.heard)

    def opened(self, settings: Mapping[str, Any]) -> SoundCarrier:
        raise NotImplementedError

    def beside(self) -> Self:
        """The carrier of another worker."""
        second = type(self)(self.network, self.folder, **self.settings)
        self.later.append(second)
        return second

    async def close(self) -> None:
        for stage in (self, *self.later):
            await stage.carrier.close()

    # --- as the contract wants it ------------------------------------------------------------------------------

    def call(self, to_number: str = "", seconds: float = 5.0) -> Order:
        self.made.append(replace(super().call(to_number), limits=CallLimits(send_timeout_seconds=seconds)))
        return self.made[-1]

    def order(self, outcome: Disposition) -> Order:
        return self.call(f"+141555501{ENDINGS[outcome]}")

    def unanswered(self) -> Order:
        return self.call(LOST)

    def told_twice(self) -> Order:
        self.network.twice = True
        return self.order(Disposition.ANSWERED)

    def told_backwards(self) -> Order:
        self.network.backwards = True
        return self.order(Disposition.BUSY)

    async def vanish(self) -> None:
        await self.network.stop()

    async def successor(self) -> Self:
        second = self.beside()
        second.made = self.made
        return second

    # --- the person, PERSON ------------------------------------------------------------------------------------

    def sound(self) -> bytes:
        """All that they have heard, 16 bits at 8 kHz."""
        return from_ulaw(bytes(self.network.call_to(PERSON).heard))

    def is_handed_to(self, number: str) -> bool:
        raise NotImplementedError

    @contextmanager
    def nobody_handed_over(self) -> Iterator[None]:
        """Whoever asks for it is refused."""
        self.network.revoked = True
        yield
        self.network.revoked = False


class CallbackStage(SoundStage):
    """What is told of calls is brought to the newest of these workers."""

    def __init__(self, network: Cloud, folder: Path, **settings: Any) -> None:
        self.callbacks = Callbacks(PUBLIC_URL, "127.0.0.1")
        super().__init__(network, folder, **settings)
        network.door = AtTheWorker(self.callbacks)

    async def close(self) -> None:
        await super().close()
        for stage in (self, *self.later):
            await stage.callbacks.close()  # type: ignore[attr-defined]

    def accepted(self, order: Order) -> int:
        return sum(str(order.attempt_uuid) in call.one("StatusCallback") for call in self.network.calls.values())


class TwilioStage(CallbackStage):
    denied, left = "20003 Authenticate", "completed"

    def opened(self, settings: Mapping[str, Any]) -> SoundCarrier:
        return TwilioCarrier(TwilioAccount.from_settings(settings).checked(), self.clock, self.files, self.callbacks)

    def is_handed_to(self, number: str) -> bool:
        wanted = f'<Response><Dial callerId="+14155550000">{number}</Dial></Response>'
        return bool(self.network.call_to(PERSON).redirected == wanted)


class TelnyxStage(CallbackStage):
    denied, left = "10009 Authentication failed No key found", "normal_clearing"

    def opened(self, settings: Mapping[str, Any]) -> SoundCarrier:
        return TelnyxCarrier(TelnyxAccount.from_settings(settings).checked(), self.clock, self.files, self.callbacks)

    def is_handed_to(self, number: str) -> bool:
        ((action, asked),) = self.network.call_to(PERSON).commands.values()
        return (action, asked["to"], asked["from"]) == ("transfer", number, "+14155550000")


class AriStage(SoundStage):
    denied, left = "401 Authentication required", "16 Normal Clearing"

    def opened(self, settings: Mapping[str, Any]) -> SoundCarrier:
        return AriCarrier(Asterisk.from_settings(settings).checked(), self.clock, self.files)

    def accepted(self, order: Order) -> int:
        return sum(call == str(order.attempt_uuid) for call in self.network.calls)

    def unanswered(self) -> Order:
        """Of a 500 it finds out at once."""
        return self.call(SILENT, seconds=1.0)

    async def run_until_over(self) -> None:
        self.network.rings_for = 0.05
        await super().run_until_over()

    async def successor(self) -> Self:
        await self.die()
        return await super().successor()

    async def die(self) -> None:
        """What the kernel does for a process that is killed."""
        await self.carrier._listening.close()
        await self.carrier._audio.close()

    def sound(self) -> bytes:
        return bytes(self.network.call_to(PERSON).heard)

    def is_handed_to(self, number: str) -> bool:
        """The person is still there."""
        call = self.network.call_to(PERSON)
        return call.handed_over == ("dialplane-transfer", number) and call in self.network.channels.values()

    @contextmanager
    def nobody_handed_over(self) -> Iterator[None]:
        self.network.has_label = False
        yield


NETWORKS: Mapping[str, Callable[[], AbstractAsyncContextManager[Network]]] = {
    "twilio": cloud,
    "telnyx": telnyx_cloud,
    "ari": pbx,
}
STAGES: Mapping[type[Network], type[SoundStage]] = {Cloud: TwilioStage, Telnyx: TelnyxStage, Pbx: AriStage}

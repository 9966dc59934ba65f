"""Asterisk's REST interface: channels, bridges, sound of a channel at a socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from dialplane.carriers.ari.asterisk import Asterisk
from dialplane.carriers.http_api import HttpApi, Refusal
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierUnavailable

NO_CHANNEL: Final = "Allocation failed"  # it is a 500, and says that nothing was dialled: res/ari/resource_channels.c
STARTING: Final = "Asterisk not booted"
SOUND_MODULE: Final = "chan_audiosocket.so"
HANDED_OVER: Final = "transfer"  # the label of the extension that takes a call over


class AriApi:
    """All raise CarrierUnavailable, and answer None or False where there is no such channel."""

    def __init__(self, asterisk: Asterisk) -> None:
        self._asterisk = asterisk
        auth = (asterisk.user, asterisk.password)
        self._http = HttpApi("Asterisk", f"{asterisk.url}/ari", _refusal, is_certain=_is_certain, auth=auth)

    async def originate(self, channel: str, seconds: float, request: Mapping[str, Any]) -> None:
        """Raises CarrierRefused, PlacementUnknown as well: also where the channel exists already."""
        await self._http.place(f"/channels/{channel}", seconds, json=request)

    async def state(self, channel: str) -> str | None:
        found = await self._http.ask("GET", f"/channels/{channel}")
        return None if found is None else str(found.get("state"))

    async def variable(self, channel: str, name: str) -> str | None:
        found = await self._http.ask("GET", f"/channels/{channel}/variable", params={"variable": name})
        return None if found is None else str(found.get("value"))

    async def subscribe(self, app: str, channel: str) -> bool:
        """The application hears of it from now on."""
        return await self._post(f"/applications/{app}/subscription", eventSource=f"channel:{channel}")

    async def move(self, channel: str, app: str) -> bool:
        """From one application to another, once it is in one."""
        return await self._post(f"/channels/{channel}/move", app=app)

    async def hand_over(self, channel: str, context: str, extension: str) -> bool:
        """Whether the dialplan has such an extension, with the label that it wants; it has the call then."""
        where = {"context": context, "extension": extension, "label": HANDED_OVER}
        return await self._post(f"/channels/{channel}/continue", **where)

    async def hang_up(self, channel: str) -> None:
        await self._http.ask("DELETE", f"/channels/{channel}", params={"reason": "normal"})

    async def external_media(self, channel: str, app: str, host: str, token: UUID) -> None:
        """A channel whose sound comes and goes at `host`, where Asterisk connects and says the token."""
        what = {"encapsulation": "audiosocket", "transport": "tcp", "format": "slin"}
        where = {"channelId": channel, "app": app, "external_host": host, "data": str(token)}
        await self._post("/channels/externalMedia", **what, **where)

    async def bridge(self, bridge: str) -> None:
        await self._post(f"/bridges/{bridge}", type="mixing")

    async def join(self, bridge: str, channels: Sequence[str]) -> bool:
        return await self._post(f"/bridges/{bridge}/addChannel", channel=",".join(channels))

    async def drop_bridge(self, bridge: str) -> None:
        await self._http.ask("DELETE", f"/bridges/{bridge}")

    async def fault(self) -> str | None:
        """Why no call can be placed, as far as Asterisk can be asked; None when calls can."""
        trunk = self._asterisk.trunk
        try:
            if await self._http.ask("GET", "/asterisk/info") is None:
                return f"nothing at {self._asterisk.url} is an ARI: see url, and `enabled` in ari.conf"
            if await self._http.ask("GET", f"/asterisk/modules/{SOUND_MODULE}") is None:
                return f"Asterisk has not loaded {SOUND_MODULE}, by which the sound of calls comes: see modules.conf"
            if trunk is not None and await self._http.ask("GET", f"/endpoints/PJSIP/{trunk}") is None:
                return f"Asterisk has no PJSIP endpoint '{trunk}': see pjsip.conf, or name another in `endpoint`"
        except CarrierUnavailable as fault:
            return str(fault)
        return self._http.closed or None

    async def _post(self, path: str, **parameters: str) -> bool:
        return await self._http.ask("POST", path, params=parameters) is not None

    async def close(self) -> None:
        await self._http.close()


def _is_certain(status: int, content: Mapping[str, Any]) -> bool:
    if status == 409:  # there is a channel of this id, so that somebody has asked for this call before
        return False
    return 400 <= status < 500 or _words(content) in (NO_CHANNEL, STARTING)


def _words(content: Mapping[str, Any]) -> str:
    return str(content.get("message") or content.get("error") or "")


def _refusal(status: int, content: Mapping[str, Any], reason: str) -> Refusal:
    said = _words(content) or reason
    cause = f"{status} {said}"
    if said == NO_CHANNEL:
        cause += ": it has no such endpoint, or cannot reach it, or has no more channels"
    return Refusal(
        cause=cause,
        disposition=Disposition.CAPACITY if said == NO_CHANNEL else None,
        closes=status in (401, 403),
        gone=status == 422,  # what was to be subscribed to
    )

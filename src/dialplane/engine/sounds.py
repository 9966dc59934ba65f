"""Recorded sounds of an organization, which agents play in place of a made voice. One that is there stays as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from dialplane.errors import Invalid
from dialplane.ports import Clock, Files
from dialplane.store.postgres import Database, rows, sql
from dialplane.voice.sounds import Sound, key_of

PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundRecord:
    """name: by which agents name it; title: as whoever brought it first called it."""

    id: int
    name: str
    title: str
    seconds: float
    created_at: datetime


class Sounds:
    """Of one organization."""

    def __init__(self, database: Database, clock: Clock, files: Files, organization_id: int) -> None:
        self._database = database
        self._clock = clock
        self._files = files
        self._organization_id = organization_id
        self._of = {"organization_id": organization_id}

    async def keep(self, sound: Sound, title: str) -> SoundRecord:
        """The file first: a sound that is listed can be played."""
        await self._files.write(key_of(self._organization_id, sound.name), _content(sound))
        added = {"name": sound.name, "title": title, "seconds": sound.seconds, "now": self._clock.now()}
        async with self._database.connection() as connection:
            await sql.add_sound(connection, **added, **self._of)
            found = await sql.sound(connection, name=sound.name, **self._of)
        return SoundRecord(**found)

    async def page(self, *, before: int | None = None, limit: int = PAGE) -> list[SoundRecord]:
        """Newest first."""
        async with self._database.connection() as connection:
            return [
                SoundRecord(**row)
                for row in await rows(sql.sounds_page(connection, before=before, limit=limit, **self._of))
            ]

    async def check(self, named: Sequence[tuple[str, str]]) -> None:
        """named: (where, which sound). Raises Invalid for one that is not there."""
        if not named:
            return
        async with self._database.connection() as connection:
            found = sql.known_sounds(connection, names=[name for _, name in named], **self._of)
            known = {row["name"] for row in await rows(found)}
        for place, name in named:
            if name not in known:
                raise Invalid(
                    f"{place}: there is no sound {name!r}; POST the WAV file to /api/v1/sounds and write its name"
                )


async def _content(sound: Sound) -> AsyncIterator[bytes]:
    yield sound.content

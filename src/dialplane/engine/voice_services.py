"""What an organization's assistants and workflows listen, think and speak with: they name no keys of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dialplane.engine.agent_secrets import AgentSecrets
from dialplane.ports import Clock
from dialplane.store.postgres import Database, sql

Services = Mapping[str, Any]  # `llm`, `stt`, `tts`, `prices`: as an agent of kind pipeline has them


class VoiceServices:
    """Of one organization. check: raises Invalid for services that nothing could talk with."""

    def __init__(
        self, database: Database, clock: Clock, secrets: AgentSecrets, check: Callable[[Services], None]
    ) -> None:
        self._database = database
        self._clock = clock
        self._of = {"organization_id": secrets.organization_id}
        self._check = check
        self.secrets = secrets

    async def get(self) -> Services | None:
        """With their secrets sealed; None where there are none."""
        return await voice_services(self._database, self.secrets.organization_id)

    async def set(self, services: Services) -> None:
        """Instead of those there are; a sealed secret stays what it is. Calls that begin within seconds use them.

        Raises Invalid, naming the field.
        """
        sealed = self.secrets.sealed(services)
        self._check(sealed)
        async with self._database.connection() as connection:
            await sql.set_voice_services(connection, services=sealed, now=self._clock.now(), **self._of)

    async def clear(self) -> None:
        """Assistants and workflows speak what they can without."""
        async with self._database.connection() as connection:
            await sql.clear_voice_services(connection, **self._of)


async def voice_services(database: Database, organization_id: int) -> Services | None:
    """As `VoiceServices.get`."""
    async with database.connection() as connection:
        found: Services | None = await sql.voice_services(connection, organization_id=organization_id)
    return found

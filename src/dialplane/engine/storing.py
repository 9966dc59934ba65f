"""contacts and rejects of a file -> the database, batch by batch; what is there already is left as it is"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from dialplane.core.intake import Columns, NewContact, Reject, duplicate
from dialplane.engine.batches import Decided
from dialplane.errors import Conflict
from dialplane.ports import Clock
from dialplane.store.postgres import Connection, Database, rows, sql

TO_JSON = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps makes an encoder for each row


@dataclass(frozen=True, slots=True, kw_only=True)
class Storing:
    """One file on its way into a campaign.

    salt: of its contacts' uuids. sequence_base: what its row numbers are added to. groups: those of zones that have
    their cursors already.
    """

    database: Database
    clock: Clock
    organization_id: int
    campaign_id: int
    file_id: int
    salt: str
    sequence_base: int
    columns: Columns
    groups: dict[tuple[str, ...], int] = field(default_factory=dict)

    @property
    def _of(self) -> dict[str, int]:
        return {"organization_id": self.organization_id}

    async def write(self, decided: Decided) -> list[Reject]:
        """One batch in one transaction: contacts, rejects, and how far the file has been read. Raises Conflict."""
        async with self.database.transaction() as connection:
            if (read := await sql.lock_file(connection, file_id=self.file_id, **self._of)) is None:
                raise Conflict("another process has finished this import")
            fresh = [contact for contact in decided.contacts if contact.row_number > read]
            rejects = [reject for reject in decided.rejects if reject.row_number > read]
            added = await self._add_contacts(connection, fresh)
            rejects += await self._duplicates(connection, [c for c in fresh if c.row_number not in added])
            rejects.sort(key=lambda reject: reject.row_number)
            await self._add_rejects(connection, rejects)
            await sql.checkpoint_file(
                connection,
                file_id=self.file_id,
                rows_read=max(read, decided.last_row),
                contacts=len(added),
                rejects=len(rejects),
                **self._of,
            )
        return rejects

    async def _add_contacts(self, connection: Connection, contacts: Sequence[NewContact]) -> set[int]:
        """Rows that became contacts; the others have the number of an earlier row."""
        groups = self.groups
        if new := {contact.zones for contact in contacts} - groups.keys():
            groups |= (found := await zone_groups(connection, self.organization_id, new))
            await sql.add_cursors(
                connection, campaign_id=self.campaign_id, zone_group_ids=sorted(found.values()), **self._of
            )
        added = sql.add_contacts(
            connection,
            campaign_id=self.campaign_id,
            campaign_uuid=self.salt,
            file_id=self.file_id,
            sequence_base=self.sequence_base,
            now=self.clock.now(),
            row_numbers=[contact.row_number for contact in contacts],
            to_numbers=[contact.to_number for contact in contacts],
            external_ids=[contact.external_id for contact in contacts],
            priorities=[contact.priority for contact in contacts],
            zone_group_ids=[groups[contact.zones] for contact in contacts],
            variables=[TO_JSON(contact.variables) for contact in contacts],
            **self._of,
        )
        return {row["row_number"] for row in await rows(added)}

    async def _duplicates(self, connection: Connection, contacts: Sequence[NewContact]) -> list[Reject]:
        if not contacts:
            return []
        numbers = [contact.to_number for contact in contacts]
        found = sql.first_rows(
            connection, campaign_id=self.campaign_id, file_id=self.file_id, to_numbers=numbers, **self._of
        )
        first = {row["to_number"]: row["row_number"] for row in await rows(found)}
        phone = self.columns.names[self.columns.phone]
        return [
            duplicate(contact.row_number, phone, contact.to_number, first[contact.to_number]) for contact in contacts
        ]

    async def _add_rejects(self, connection: Connection, rejects: Sequence[Reject]) -> None:
        if rejects:
            await sql.add_rejects(
                connection,
                file_id=self.file_id,
                row_numbers=[reject.row_number for reject in rejects],
                fields=[_storable(reject.field) for reject in rejects],
                vals=[_storable(reject.value) for reject in rejects],
                reasons=[_storable(reject.reason) for reject in rejects],
                fixes=[reject.fix for reject in rejects],
                **self._of,
            )


async def zone_groups(
    connection: Connection, organization_id: int, zones: set[tuple[str, ...]]
) -> dict[tuple[str, ...], int]:
    """Ids of the groups of these candidate zones; new ones are made."""
    texts = sorted("|".join(group) for group in zones)
    await sql.add_zone_groups(connection, organization_id=organization_id, zones=texts)
    found = await rows(sql.find_zone_groups(connection, organization_id=organization_id, zones=texts))
    return {tuple(row["zones"].split("|")) if row["zones"] else (): row["id"] for row in found}


def _storable(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")

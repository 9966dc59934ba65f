"""One campaign and what it is dialled with, out of one schema of a database and into another one."""

from __future__ import annotations

from dialplane.store.postgres import Connection


async def copy_campaign(
    connection: Connection,
    organization_id: int,
    campaign_id: int,
    *,
    agent_id: int,
    carrier_id: int,
    source: str,
    target: str,
) -> None:
    """As it is at one moment: in a transaction that reads one snapshot, between schemas of the same version.

    Attempts stay behind: a contact says itself what has been tried.
    """
    ours, its = f"organization_id = {organization_id:d}", f"campaign_id = {campaign_id:d}"
    copied = (  # those first that others refer to
        ("organization", f"id = {organization_id:d}"),
        ("agent", f"{ours} AND id = {agent_id:d}"),
        ("agent_version", f"{ours} AND agent_id = {agent_id:d}"),
        ("voice_services", ours),
        ("carrier", f"{ours} AND id = {carrier_id:d}"),
        ("number", f"{ours} AND carrier_id = {carrier_id:d}"),
        ("campaign", f"{ours} AND id = {campaign_id:d}"),
        ("zone_group", ours),
        ("contact", f"{ours} AND {its}"),
        ("due", f"{ours} AND {its}"),
        ("cursor", f"{ours} AND {its}"),
        ("progress", f"{ours} AND {its}"),
        ("do_not_call", ours),
    )
    for table, condition in copied:
        await connection.execute(f'INSERT INTO "{target}".{table} SELECT * FROM "{source}".{table} WHERE {condition}')

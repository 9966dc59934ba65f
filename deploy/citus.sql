-- The tables of a Dialplane database, distributed by organization over the nodes of a Citus cluster.
--
-- Once, on the coordinator, as the owner of the tables, after `dialplane doctor` has made them and before anything runs:
--     CREATE EXTENSION citus; SELECT citus_add_node('worker1', 5432); …
--     psql -v ON_ERROR_STOP=1 -f citus.sql
-- Every table of a tenant has organization_id first in its keys, so that a turn touches one node. Tables come after those
-- that they refer to. A table that a later version adds has to be distributed in the same way before it is filled.
BEGIN;
SELECT create_distributed_table('organization', 'id');
SELECT create_distributed_table(name, 'organization_id', colocate_with => 'organization')
FROM unnest(ARRAY[
    'agent',
    'agent_version',
    'carrier',
    'number',
    'campaign',
    'zone_group',
    'contact_file',
    'reject',
    'contact',
    'due',
    'cursor',
    'attempt',
    'progress',
    'do_not_call',
    'campaign_log',
    'virtual_run',
    'person',
    'invitation',
    'audit_entry',
    'api_key',
    'idempotent_request',
    'upload',
    'event',
    'event_purge',
    'webhook',
    'delivery',
    'call_note',
    'forecast',
    'sound',
    'job_begin',
    'voice_services'
]) WITH ORDINALITY AS tenant (name, place)
ORDER BY place;
COMMIT;

-- What belongs to no tenant stays on the coordinator, as it is:
--     worker, schema_migration
--     pgqueuer, pgqueuer_log, pgqueuer_schedules, pgqueuer_statistics

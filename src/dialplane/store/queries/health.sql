-- How the whole installation stands: for the machine's operator, over all organizations.

-- name: all_lines()
SELECT state, count(*) AS lines FROM attempt WHERE ended_at IS NULL GROUP BY state;

-- name: all_jobs()
-- The queue is pgqueuer's table; finished jobs leave it.
SELECT status::text AS state, count(*) AS jobs FROM pgqueuer GROUP BY status;

-- name: workers(limit)
-- Those last heard of first, the lines that they have, and the database's clock to tell their silence by.
SELECT w.host, w.pid, w.started_at, w.heartbeat_at, statement_timestamp() AS now,
       (SELECT count(*) FROM attempt a WHERE a.worker_id = w.id AND a.ended_at IS NULL) AS lines
FROM worker w ORDER BY w.heartbeat_at DESC LIMIT :limit;

-- name: database_state()^
-- Of the longest transaction: with every minute more of it the tables get slower, since nothing dead can be cleared.
SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS bytes,
       count(*) AS connections, current_setting('max_connections')::integer AS most_connections,
       coalesce(extract(epoch FROM max(statement_timestamp() - xact_start)
                        FILTER (WHERE pid <> pg_backend_pid())), 0)::float8 AS longest_transaction_seconds
FROM pg_stat_activity WHERE datname = current_database();

-- name: all_pending_deliveries()$
SELECT count(*) FROM delivery WHERE state = 'pending';

-- name: organization_page(after, limit)
SELECT id FROM organization WHERE id > :after ORDER BY id LIMIT :limit;

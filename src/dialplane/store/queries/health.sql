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

-- name: all_pending_deliveries()$
SELECT count(*) FROM delivery WHERE state = 'pending';

-- name: organization_page(after, limit)
SELECT id FROM organization WHERE id > :after ORDER BY id LIMIT :limit;

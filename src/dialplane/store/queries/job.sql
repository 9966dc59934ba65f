-- Jobs in the background; the queue itself is pgqueuer's.

-- name: begin_job(organization_id, job_id)$
-- How often this job has begun without having come to an end; this time is counted.
INSERT INTO job_begin (organization_id, job_id, times) VALUES (:organization_id, :job_id, 1)
ON CONFLICT (organization_id, job_id) DO UPDATE SET times = job_begin.times + 1
RETURNING times;

-- name: end_job(organization_id, job_id)!
DELETE FROM job_begin WHERE organization_id = :organization_id AND job_id = :job_id;

-- name: purge_job_history(before)!
DELETE FROM pgqueuer_log WHERE aggregated AND created < :before;

-- name: purge_job_statistics(before)!
DELETE FROM pgqueuer_statistics WHERE created < :before;

-- What a run on the virtual clock came to, over its whole time: in a schema of its own, which nobody else waits for.

-- name: lines_over_time(organization_id, campaign_id, since, width)
-- Of each slot in which a line was in use: for how many seconds, all lines together, and how many calls began in it.
SELECT slot.at,
       sum(extract(epoch FROM least(a.ended_at, slot.at + :width::interval) - greatest(a.sent_at, slot.at)))::float8 AS seconds,
       count(*) FILTER (WHERE a.sent_at >= slot.at) AS attempts
FROM attempt a
CROSS JOIN LATERAL generate_series(
    date_bin(:width::interval, a.sent_at, :since::timestamptz), a.ended_at, :width::interval
) AS slot (at)
WHERE a.organization_id = :organization_id AND a.campaign_id = :campaign_id AND a.sent_at IS NOT NULL AND a.ended_at IS NOT NULL
GROUP BY slot.at ORDER BY slot.at;

-- name: most_lines(organization_id, campaign_id)$
-- In use at once, at most. Of one instant the ends come first.
SELECT coalesce(max(lines), 0)::int FROM (
    SELECT sum(step) OVER (ORDER BY at, step ROWS UNBOUNDED PRECEDING) AS lines
    FROM (
        SELECT sent_at AS at, 1 AS step FROM attempt
        WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND sent_at IS NOT NULL
        UNION ALL
        SELECT ended_at, -1 FROM attempt
        WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND sent_at IS NOT NULL AND ended_at IS NOT NULL
    ) AS steps
) AS counted;

-- name: contacts_by_number(organization_id, campaign_id, timezone)
-- How many people each number called on each day of this zone, and how often.
SELECT (sent_at AT TIME ZONE :timezone)::date AS day, from_number, count(DISTINCT contact_id) AS contacts, count(*) AS attempts
FROM attempt
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND sent_at IS NOT NULL
GROUP BY day, from_number ORDER BY day, from_number;

-- name: ask_forecast(organization_id, campaign_id, answers, now, stale)$
-- The campaign's id where one is to be made now; nothing while one that was asked for after `stale` is being made.
INSERT INTO forecast (organization_id, campaign_id, asked_at, answers, state)
VALUES (:organization_id, :campaign_id, coalesce(:now::timestamptz, statement_timestamp()), :answers, 'making')
ON CONFLICT (organization_id, campaign_id) DO UPDATE
SET asked_at = excluded.asked_at, answers = excluded.answers, state = 'making', made_at = NULL, fault = '', result = NULL
WHERE forecast.state <> 'making' OR forecast.asked_at < :stale::timestamptz
RETURNING campaign_id;

-- name: forecast_of(organization_id, campaign_id)^
SELECT campaign_id, asked_at, answers, state, made_at, fault, result
FROM forecast WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: keep_forecast(organization_id, campaign_id, asked_at, state, fault, result, now)!
-- Unless another one has been asked for meanwhile.
UPDATE forecast SET state = :state, fault = :fault, result = :result, made_at = :now
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND asked_at = :asked_at AND state = 'making';

-- name: suppose(organization_id, campaign_id)!
-- In a copy: nobody outside is asked, and it ends once all who are in it have been called.
UPDATE campaign SET keep_open = false, screening = NULL
WHERE organization_id = :organization_id AND id = :campaign_id;

-- name: suppose_answers(organization_id, carrier_id, provider, settings, send_timeout_seconds, ring_timeout_seconds, max_call_seconds)!
-- In a copy: calls go to a carrier that places none. The limits on lines and pace stay those of the real one.
UPDATE carrier SET provider = :provider, settings = :settings, sealed = '', send_timeout_seconds = :send_timeout_seconds,
                   ring_timeout_seconds = :ring_timeout_seconds, max_call_seconds = :max_call_seconds
WHERE organization_id = :organization_id AND id = :carrier_id;

-- name: dialing_contacts(organization_id, campaign_id)
SELECT id, priority FROM contact
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND state = 'dialing';

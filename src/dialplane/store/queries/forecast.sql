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

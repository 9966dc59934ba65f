-- What came of a campaign's calls, counted.

-- name: results_of_campaign(organization_id, campaign_id, zone)
-- One look at every attempt that has ended, counted in several ways at once; `measure` says which, and every measure has a
-- row a key. placed: those that the carrier accepted. Hours of the week begin on Monday, in this zone; null: in the first of
-- each contact's own. `example`: one of the numbers that were called.
SELECT CASE 0 WHEN grouping(s.week_hour) THEN 'week_hour' WHEN grouping(s.number) THEN 'number'
              WHEN grouping(s.from_number) THEN 'from_number' WHEN grouping(s.area) THEN 'area'
              WHEN grouping(s.zone_group_id) THEN 'zones' WHEN grouping(s.seconds) THEN 'seconds'
              ELSE 'disposition' END AS measure,
       coalesce(s.week_hour::text, s.number::text, s.from_number, s.area, s.zone_group_id::text, s.seconds::text,
                s.disposition) AS key,
       count(*) AS calls, count(*) FILTER (WHERE s.spent) AS placed,
       count(*) FILTER (WHERE s.disposition = 'answered') AS answered, min(s.to_number COLLATE "C") AS example
FROM (
    SELECT a.number, a.from_number, a.to_number, left(a.to_number, 5) AS area, c.zone_group_id, a.disposition, a.spent,
           floor(extract(epoch FROM a.ended_at - a.answered_at))::integer AS seconds,
           (extract(isodow FROM l.at)::integer - 1) * 24 + extract(hour FROM l.at)::integer AS week_hour
    FROM attempt a
    JOIN contact c ON c.organization_id = a.organization_id AND c.id = a.contact_id
    JOIN zone_group z ON z.organization_id = c.organization_id AND z.id = c.zone_group_id
    CROSS JOIN LATERAL (SELECT coalesce(a.placed_at, a.created_at) AT TIME ZONE coalesce(:zone, z.zones[1], 'UTC')) AS l (at)
    WHERE a.organization_id = :organization_id AND a.campaign_id = :campaign_id AND a.ended_at IS NOT NULL
) AS s
GROUP BY GROUPING SETS ((s.week_hour), (s.number), (s.from_number), (s.area), (s.zone_group_id), (s.seconds), (s.disposition));

-- name: gathered_in_campaign(organization_id, campaign_id, latest, most)
-- How often the agent gathered what, in the latest calls: the most frequent values of each field. answers: of the field.
WITH answers AS (
    SELECT f.key, left(f.value, 200) AS value, count(*) AS calls
    FROM (SELECT gathered FROM attempt
          WHERE organization_id = :organization_id AND campaign_id = :campaign_id ORDER BY id DESC LIMIT :latest) AS a
    CROSS JOIN LATERAL jsonb_each_text(a.gathered) AS f
    WHERE a.gathered IS NOT NULL
    GROUP BY f.key, left(f.value, 200)
)
SELECT key AS field, value, calls, answers, "values" FROM (
    SELECT *, (sum(calls) OVER (PARTITION BY key))::bigint AS answers, count(*) OVER (PARTITION BY key) AS "values",
           row_number() OVER (PARTITION BY key ORDER BY calls DESC, value) AS place
    FROM answers
) AS ranked
WHERE place <= :most ORDER BY key, place;

-- What came of a campaign's calls, counted.

-- name: results_of_campaign(organization_id, campaign_id, zone)
-- One look at every attempt that has ended, counted in several ways at once; `measure` says which, and every measure has a
-- row a key. placed: those that the carrier accepted. Hours of the week begin on Monday, in this zone; null: in the first of
-- each contact's own. `example`: one of the numbers that were called. contacts: whose last attempt so far is one of these.
-- talk_seconds: mean of those that were picked up. cost: of the agent's services. label: the agent's own word.
SELECT CASE 0 WHEN grouping(s.week_hour) THEN 'week_hour' WHEN grouping(s.number) THEN 'number'
              WHEN grouping(s.from_number) THEN 'from_number' WHEN grouping(s.area) THEN 'area'
              WHEN grouping(s.zone_group_id) THEN 'zones' WHEN grouping(s.seconds) THEN 'seconds'
              WHEN grouping(s.agent_version) THEN 'version' WHEN grouping(s.label) THEN 'label'
              ELSE 'disposition' END AS measure,
       coalesce(s.week_hour::text, s.number::text, s.from_number, s.area, s.zone_group_id::text, s.seconds::text,
                s.agent_version::text, s.label, s.disposition) AS key,
       count(*) AS calls, count(*) FILTER (WHERE s.spent) AS placed,
       count(*) FILTER (WHERE s.disposition = 'answered') AS answered, min(s.to_number COLLATE "C") AS example,
       count(*) FILTER (WHERE s.is_last) AS contacts, count(*) FILTER (WHERE s.is_last AND s.state = 'reached') AS reached,
       avg(s.talked) AS talk_seconds, sum(s.cost) AS cost
FROM (
    SELECT a.number, a.from_number, a.to_number, left(a.to_number, 5) AS area, c.zone_group_id, a.disposition, a.spent,
           a.agent_version, a.label, (a.usage -> 'cost')::double precision AS cost, a.number = c.attempts AS is_last, c.state,
           floor(extract(epoch FROM a.ended_at - a.answered_at))::integer AS seconds,
           extract(epoch FROM a.ended_at - a.answered_at)::double precision AS talked,
           (extract(isodow FROM l.at)::integer - 1) * 24 + extract(hour FROM l.at)::integer AS week_hour
    FROM attempt a
    JOIN contact c ON c.organization_id = a.organization_id AND c.id = a.contact_id
    JOIN zone_group z ON z.organization_id = c.organization_id AND z.id = c.zone_group_id
    CROSS JOIN LATERAL (SELECT coalesce(a.placed_at, a.created_at) AT TIME ZONE coalesce(:zone, z.zones[1], 'UTC')) AS l (at)
    WHERE a.organization_id = :organization_id AND a.campaign_id = :campaign_id AND a.ended_at IS NOT NULL
) AS s
GROUP BY GROUPING SETS ((s.week_hour), (s.number), (s.from_number), (s.area), (s.zone_group_id), (s.seconds), (s.agent_version),
                         (s.label), (s.disposition));

-- name: gathered_in_campaign(organization_id, campaign_id, latest, most)
-- How often the agent gathered what, in the latest calls: the most frequent values of each field. answers: of the field.
-- Of each version of the agent, and with version 0 of all together.
WITH answers AS (
    SELECT CASE grouping(a.agent_version) WHEN 0 THEN a.agent_version ELSE 0 END AS version, f.key,
           left(f.value, 200) AS value, count(*) AS calls
    FROM (SELECT gathered, agent_version FROM attempt
          WHERE organization_id = :organization_id AND campaign_id = :campaign_id ORDER BY id DESC LIMIT :latest) AS a
    CROSS JOIN LATERAL jsonb_each_text(a.gathered) AS f
    WHERE a.gathered IS NOT NULL
    GROUP BY GROUPING SETS ((f.key, left(f.value, 200)), (a.agent_version, f.key, left(f.value, 200)))
)
SELECT version, key AS field, value, calls, answers, "values" FROM (
    SELECT *, (sum(calls) OVER (PARTITION BY version, key))::bigint AS answers, count(*) OVER (PARTITION BY version, key) AS "values",
           row_number() OVER (PARTITION BY version, key ORDER BY calls DESC, value) AS place
    FROM answers
) AS ranked
WHERE place <= :most ORDER BY version, key, place;

-- Attempts as people list them, and the pages of reports on them.

-- name: has_campaign(organization_id, campaign_id)$
SELECT EXISTS (SELECT FROM campaign WHERE organization_id = :organization_id AND id = :campaign_id);

-- name: latest_agent_version(organization_id, agent_id)$
-- No row: there is no such agent.
SELECT version FROM agent WHERE organization_id = :organization_id AND id = :agent_id;

-- name: campaigns_of_agent(organization_id, agent_id)
-- Those that hold its single calls too. Attempts have no index by agent: theirs are found through these.
SELECT id, variable_names FROM campaign WHERE organization_id = :organization_id AND agent_id = :agent_id ORDER BY id DESC;

-- name: campaigns_of_organization(organization_id)
SELECT id FROM campaign WHERE organization_id = :organization_id ORDER BY id DESC;

-- name: newest_attempts(organization_id, campaign_ids, before, skip, limit)
-- Ids out of the index alone: one descent a campaign.
SELECT r.id FROM unnest(:campaign_ids::bigint[]) AS c (id)
CROSS JOIN LATERAL (
    SELECT a.id FROM attempt a
    WHERE a.organization_id = :organization_id AND a.campaign_id = c.id
      AND a.id < coalesce(:before::bigint, 9223372036854775807)
    ORDER BY a.id DESC LIMIT :skip::bigint + :limit::bigint
) AS r
ORDER BY r.id DESC LIMIT :limit::bigint OFFSET :skip::bigint;

-- name: oldest_attempts(organization_id, campaign_ids, before, skip, limit)
SELECT r.id FROM unnest(:campaign_ids::bigint[]) AS c (id)
CROSS JOIN LATERAL (
    SELECT a.id FROM attempt a
    WHERE a.organization_id = :organization_id AND a.campaign_id = c.id
      AND a.id < coalesce(:before::bigint, 9223372036854775807)
    ORDER BY a.id LIMIT :skip::bigint + :limit::bigint
) AS r
ORDER BY r.id LIMIT :limit::bigint OFFSET :skip::bigint;

-- name: newest_ended_attempts(organization_id, campaign_ids, dispositions, before, skip, limit)
-- Ended ones, with one of these dispositions where any are given. It stops once a page is full; counters know the total.
SELECT r.id FROM unnest(:campaign_ids::bigint[]) AS c (id)
CROSS JOIN LATERAL (
    SELECT a.id FROM attempt a
    WHERE a.organization_id = :organization_id AND a.campaign_id = c.id
      AND a.id < coalesce(:before::bigint, 9223372036854775807) AND a.ended_at IS NOT NULL
      AND (:dispositions::text[] IS NULL OR a.disposition = ANY(:dispositions::text[]))
    ORDER BY a.id DESC LIMIT :skip::bigint + :limit::bigint
) AS r
ORDER BY r.id DESC LIMIT :limit::bigint OFFSET :skip::bigint;

-- name: open_attempts(organization_id, campaign_ids)
-- As many as the organization has lines in use, at most.
SELECT id FROM attempt
WHERE organization_id = :organization_id AND ended_at IS NULL AND campaign_id = ANY(:campaign_ids::bigint[])
ORDER BY id DESC;

-- name: attempt_counters(organization_id, campaign_ids)
SELECT measure, sum(value)::bigint AS value FROM progress
WHERE organization_id = :organization_id AND campaign_id = ANY(:campaign_ids::bigint[])
  AND (measure = 'attempts' OR measure LIKE 'disposition.%')
GROUP BY measure;

-- name: matching_attempts(organization_id, campaign_ids, created_from, created_to, dispositions, ended, least_seconds, most_seconds, first_id, last_id, from_number, to_number, sentiment, before, by_duration, ascending, skip, limit)
-- For what neither an index nor a counter can answer: every attempt of these campaigns is looked at, once, for the page,
-- the total and the seconds of talk alike. Always at least one row, so that a page past the end has its total.
WITH matching AS MATERIALIZED (
    SELECT id, seconds FROM (
        SELECT id, campaign_id, created_at, disposition, ended_at, from_number, to_number, gathered,
               CASE WHEN ended_at IS NOT NULL
                    THEN coalesce(extract(epoch FROM ended_at - answered_at)::double precision, 0) END AS seconds
        FROM attempt WHERE organization_id = :organization_id
    ) AS a
    WHERE campaign_id = ANY(:campaign_ids::bigint[])
      AND id BETWEEN coalesce(:first_id::bigint, 0) AND coalesce(:last_id::bigint, 9223372036854775807)
      AND (:created_from::timestamptz IS NULL OR created_at >= :created_from)
      AND (:created_to::timestamptz IS NULL OR created_at <= :created_to)
      AND (:dispositions::text[] IS NULL OR disposition = ANY(:dispositions::text[]))
      AND (:ended::boolean IS NULL OR (ended_at IS NOT NULL) = :ended)
      AND (:least_seconds::double precision IS NULL OR floor(seconds + 0.5) >= :least_seconds)
      AND (:most_seconds::double precision IS NULL OR floor(seconds + 0.5) <= :most_seconds)
      AND (:from_number::text IS NULL OR strpos(from_number, :from_number) > 0)
      AND (:to_number::text IS NULL OR strpos(to_number, :to_number) > 0)
      AND (:sentiment::text IS NULL OR gathered ->> 'sentiment' = :sentiment)
), counted AS (
    SELECT count(*) AS total, coalesce(sum(floor(seconds + 0.5)), 0)::bigint AS talk_seconds FROM matching
), page AS (
    SELECT id, CASE WHEN :by_duration::boolean THEN CASE WHEN :ascending::boolean THEN seconds ELSE -seconds END END AS rank,
           CASE WHEN :ascending::boolean THEN id ELSE -id END AS place
    FROM matching WHERE id < coalesce(:before::bigint, 9223372036854775807)
    ORDER BY rank NULLS LAST, place LIMIT :limit::bigint OFFSET :skip::bigint
)
SELECT counted.total, counted.talk_seconds, page.id FROM counted LEFT JOIN page ON true ORDER BY rank NULLS LAST, place;

-- name: attempts_by_id(organization_id, ids)
-- With what belongs to them, in the order of the ids; of the transcript only whether there is one.
SELECT a.id, a.uuid, a.campaign_id, a.contact_id, a.number, a.carrier_id, a.from_number, a.to_number, a.agent_id,
       a.agent_version, a.state, a.created_at, a.sent_at, a.placed_at, a.ringing_at, a.answered_at, a.ended_at,
       a.carrier_call_id, a.disposition, a.spent, a.sip_status, a.cause, a.abandoned, a.answered_by, a.gathered, a.summary, a.label, a.usage, a.recording, a.transcript IS NOT NULL AS has_transcript,
       m.name AS campaign_name, m.hidden AS single, g.name AS agent_name, v.id AS agent_version_id, r.provider,
       r.name AS carrier_name, c.external_id, c.variables, c.row_number, c.uuid AS contact_uuid, f.key AS file_key,
       p.disposition AS disposition_before
FROM attempt a
JOIN contact c ON c.organization_id = a.organization_id AND c.id = a.contact_id
JOIN agent g ON g.organization_id = a.organization_id AND g.id = a.agent_id
JOIN carrier r ON r.organization_id = a.organization_id AND r.id = a.carrier_id
JOIN campaign m ON m.organization_id = a.organization_id AND m.id = a.campaign_id
LEFT JOIN agent_version v ON v.organization_id = a.organization_id AND v.agent_id = a.agent_id
    AND v.version = a.agent_version
LEFT JOIN contact_file f ON f.organization_id = a.organization_id AND f.id = c.contact_file_id
LEFT JOIN attempt p ON p.organization_id = a.organization_id AND p.contact_id = a.contact_id AND p.number = a.number - 1
WHERE a.organization_id = :organization_id AND a.id = ANY(:ids::bigint[])
ORDER BY array_position(:ids::bigint[], a.id);

-- name: attempt_with_uuid(organization_id, uuid)$
SELECT id FROM attempt WHERE organization_id = :organization_id AND uuid = :uuid;

-- name: attempt_transcript(organization_id, attempt_id)$
SELECT transcript FROM attempt WHERE organization_id = :organization_id AND id = :attempt_id;

-- name: agent_versions_used(organization_id, campaign_id)
-- It looks at every attempt, as the report does anyway: with a split, versions do not follow one another.
SELECT DISTINCT agent_version FROM attempt WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: contacts_report_page(organization_id, campaign_id, after, instant, variables, fields, limit)
-- Contacts in their order, each with its ended or open attempts, a page of contacts at a time. What takes long, times as
-- text and JSON as columns, is done here while the caller writes the page before: else one of two processors would idle.
SELECT c.id AS contact_id, c.external_id, c.to_number, a.from_number, array_to_string(g.zones, '|') AS timezone,
       a.number AS attempt, a.uuid AS attempt_uuid,
       to_char(a.created_at AT TIME ZONE 'UTC', :instant) AS created_at,
       to_char(a.placed_at AT TIME ZONE 'UTC', :instant) AS placed_at,
       to_char(a.ringing_at AT TIME ZONE 'UTC', :instant) AS ringing_at,
       to_char(a.answered_at AT TIME ZONE 'UTC', :instant) AS answered_at,
       to_char(a.ended_at AT TIME ZONE 'UTC', :instant) AS ended_at,
       CASE WHEN coalesce(a.answered_at, a.ended_at) >= a.ringing_at
            THEN round(extract(epoch FROM coalesce(a.answered_at, a.ended_at) - a.ringing_at), 3)::text END AS ring_seconds,
       CASE WHEN a.ended_at >= a.answered_at
            THEN round(extract(epoch FROM a.ended_at - a.answered_at), 3)::text END AS talk_seconds,
       a.disposition, a.sip_status, a.cause, a.state AS attempt_state, c.state AS contact_state, c.skip_reason,
       a.agent_version,
       (SELECT string_agg(format('[%s] %s: %s', round(s.at_seconds, 1), s.speaker, s.text), E'\n' ORDER BY s.place)
        FROM ROWS FROM (jsonb_to_recordset(a.transcript) AS (at_seconds numeric, speaker text, text text))
             WITH ORDINALITY AS s (at_seconds, speaker, text, place)) AS conversation,
       a.recording,
       ARRAY(SELECT c.variables ->> n.name FROM unnest(:variables::text[]) WITH ORDINALITY AS n (name, place)
             ORDER BY n.place) AS variables,
       ARRAY(SELECT coalesce(a.gathered ->> n.name, CASE n.name WHEN 'summary' THEN a.summary WHEN 'label' THEN a.label END)
             FROM unnest(:fields::text[]) WITH ORDINALITY AS n (name, place)
             ORDER BY n.place) AS gathered
FROM (SELECT * FROM contact WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND id > :after
      ORDER BY id LIMIT :limit) AS c
JOIN zone_group g ON g.organization_id = c.organization_id AND g.id = c.zone_group_id
LEFT JOIN attempt a ON a.organization_id = c.organization_id AND a.contact_id = c.id
ORDER BY c.id, a.number;

-- name: ended_of_campaign_page(organization_id, campaign_id, before, created_from, created_to, variables, fields, limit)
-- Ended attempts of one campaign, newest first.
SELECT a.id, a.uuid, a.campaign_id, a.agent_id, v.id AS agent_version_id, a.created_at, a.to_number, a.disposition,
       a.answered_at, a.ended_at, a.recording, c.external_id,
       (SELECT string_agg(s.speaker || ': ' || s.text, ' / ' ORDER BY s.place)
        FROM ROWS FROM (jsonb_to_recordset(a.transcript) AS (speaker text, text text))
             WITH ORDINALITY AS s (speaker, text, place)) AS conversation,
       coalesce(a.summary, a.gathered ->> 'summary') AS summary,
       ARRAY(SELECT c.variables ->> n.name FROM unnest(:variables::text[]) WITH ORDINALITY AS n (name, place)
             ORDER BY n.place) AS variables,
       ARRAY(SELECT coalesce(a.gathered ->> n.name, CASE n.name WHEN 'summary' THEN a.summary WHEN 'label' THEN a.label END)
             FROM unnest(:fields::text[]) WITH ORDINALITY AS n (name, place)
             ORDER BY n.place) AS gathered
FROM (SELECT * FROM attempt WHERE organization_id = :organization_id AND campaign_id = :campaign_id
        AND id < coalesce(:before::bigint, 9223372036854775807) AND ended_at IS NOT NULL
        AND (:created_from::timestamptz IS NULL OR created_at >= :created_from)
        AND (:created_to::timestamptz IS NULL OR created_at <= :created_to)
      ORDER BY id DESC LIMIT :limit) AS a
JOIN contact c ON c.organization_id = a.organization_id AND c.id = a.contact_id
LEFT JOIN agent_version v ON v.organization_id = a.organization_id AND v.agent_id = a.agent_id
    AND v.version = a.agent_version
ORDER BY a.id DESC;

-- name: ended_page(organization_id, campaign_ids, before, created_from, created_to, dispositions, least_seconds, most_seconds, first_id, last_id, from_number, to_number, variables, fields, limit)
-- The same over several campaigns, or over all. It goes down the primary key, so that what passes no filter is passed over
-- once a report and not once a page.
SELECT a.id, a.uuid, a.campaign_id, a.agent_id, v.id AS agent_version_id, g.name AS agent_name, a.created_at, a.to_number,
       a.disposition, a.answered_at, a.ended_at, a.recording, c.external_id,
       (SELECT string_agg(s.speaker || ': ' || s.text, ' / ' ORDER BY s.place)
        FROM ROWS FROM (jsonb_to_recordset(a.transcript) AS (speaker text, text text))
             WITH ORDINALITY AS s (speaker, text, place)) AS conversation,
       coalesce(a.summary, a.gathered ->> 'summary') AS summary,
       ARRAY(SELECT c.variables ->> n.name FROM unnest(:variables::text[]) WITH ORDINALITY AS n (name, place)
             ORDER BY n.place) AS variables,
       ARRAY(SELECT coalesce(a.gathered ->> n.name, CASE n.name WHEN 'summary' THEN a.summary WHEN 'label' THEN a.label END)
             FROM unnest(:fields::text[]) WITH ORDINALITY AS n (name, place)
             ORDER BY n.place) AS gathered
FROM (SELECT * FROM (
          SELECT *, floor(coalesce(extract(epoch FROM ended_at - answered_at)::double precision, 0) + 0.5) AS seconds
          FROM attempt WHERE organization_id = :organization_id AND ended_at IS NOT NULL
      ) AS e
      WHERE id BETWEEN coalesce(:first_id::bigint, 0) AND coalesce(:last_id::bigint, 9223372036854775807)
        AND id < coalesce(:before::bigint, 9223372036854775807)
        AND (:campaign_ids::bigint[] IS NULL OR campaign_id = ANY(:campaign_ids::bigint[]))
        AND (:created_from::timestamptz IS NULL OR created_at >= :created_from)
        AND (:created_to::timestamptz IS NULL OR created_at <= :created_to)
        AND (:dispositions::text[] IS NULL OR disposition = ANY(:dispositions::text[]))
        AND (:least_seconds::double precision IS NULL OR seconds >= :least_seconds)
        AND (:most_seconds::double precision IS NULL OR seconds <= :most_seconds)
        AND (:from_number::text IS NULL OR strpos(from_number, :from_number) > 0)
        AND (:to_number::text IS NULL OR strpos(to_number, :to_number) > 0)
      ORDER BY id DESC LIMIT :limit) AS a
JOIN contact c ON c.organization_id = a.organization_id AND c.id = a.contact_id
JOIN agent g ON g.organization_id = a.organization_id AND g.id = a.agent_id
LEFT JOIN agent_version v ON v.organization_id = a.organization_id AND v.agent_id = a.agent_id
    AND v.version = a.agent_version
ORDER BY a.id DESC;

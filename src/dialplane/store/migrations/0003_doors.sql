-- What the doors of other products need: campaigns that end at an hour or wait for each other, calls that are checked
-- before they go out, contacts that are called from a number of their own, webhooks of one campaign.

ALTER TABLE campaign
    ADD ends_at     timestamptz,            -- no call begins from then on
    ADD queue       text,                   -- of the campaigns of one queue, one at a time is running or paused
    ADD screening   jsonb,                  -- each call is checked before it goes out: {"url": …, "timeout_seconds": 5}
    ADD extras      jsonb,                  -- what a door was told and answers again, by door; nothing to the engine
    ADD archived_at timestamptz,            -- over, and out of the lists
    ADD updated_at  timestamptz;            -- last change of its state or settings
UPDATE campaign SET updated_at = greatest(created_at, started_at, resumed_at, ended_at);
ALTER TABLE campaign ALTER updated_at SET NOT NULL;

-- Paused ones too: those with an end complete when it comes, those with a queue hold it.
DROP INDEX campaign_active;
CREATE INDEX campaign_active ON campaign (organization_id, id) WHERE state IN ('scheduled', 'running', 'paused');
CREATE UNIQUE INDEX campaign_queue ON campaign (organization_id, queue)
    WHERE queue IS NOT NULL AND state IN ('running', 'paused');
CREATE INDEX campaign_created ON campaign (organization_id, created_at, id);
CREATE INDEX campaign_updated ON campaign (organization_id, updated_at, id);

ALTER TABLE contact
    ADD number_id bigint,                   -- calls to it come from this number; null: from any of its campaign's
    ADD added_at  timestamptz;

-- Contacts with a number of their own are claimed number by number, so that one whose lines are full holds up no other.
-- They have a due row from the beginning and no place in the order of fresh ones.
ALTER TABLE due ADD number_id bigint NOT NULL DEFAULT 0;    -- of the contact; 0: it has none
DROP INDEX due_next;
CREATE INDEX due_next ON due (organization_id, campaign_id, rank, zone_group_id, number_id, due_at);

ALTER TABLE webhook
    ADD campaign_id bigint,                 -- hears of this campaign alone, and is not among the organization's own
    ADD format      text NOT NULL DEFAULT 'standard' CHECK (format IN ('standard', 'vapi', 'dialnexa')),
    ADD headers     text NOT NULL DEFAULT '',   -- that go with its messages, encrypted JSON
    ADD timeout_seconds double precision,       -- for an answer; null: the usual ones
    ADD walked_to   bigint;                     -- of an ended campaign, contacts up to this one were told; null: no need
CREATE INDEX webhook_campaign ON webhook (organization_id, campaign_id) WHERE campaign_id IS NOT NULL;
CREATE INDEX event_campaign ON event (organization_id, campaign_id, transaction_id, id);

ALTER TABLE attempt ADD hang_up_at timestamptz;     -- since when somebody wants the call ended; its worker sees to it
CREATE INDEX attempt_hang_up ON attempt (organization_id, id) WHERE hang_up_at IS NOT NULL AND ended_at IS NULL;

-- What was said of a call besides whom it calls, by the uuid that people know it by: an attempt's, or the contact's where a
-- call was planned for later.
CREATE TABLE call_note (
    organization_id bigint NOT NULL REFERENCES organization (id),
    uuid            uuid NOT NULL,
    name            text,
    plan            jsonb,                  -- {"earliestAt": …, "latestAt": …}, as it is answered again
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, uuid)
);

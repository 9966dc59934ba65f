-- What a campaign is expected to come to: the latest forecast of each, made in the background.

CREATE TABLE forecast (
    organization_id bigint NOT NULL,
    campaign_id     bigint NOT NULL,
    asked_at        timestamptz NOT NULL,
    answers         jsonb NOT NULL,         -- how people are supposed to answer; {}: as its own carrier has it
    state           text NOT NULL CHECK (state IN ('making', 'made', 'failed')),
    made_at         timestamptz,
    fault           text NOT NULL DEFAULT '',
    result          jsonb,
    PRIMARY KEY (organization_id, campaign_id),
    FOREIGN KEY (organization_id, campaign_id) REFERENCES campaign (organization_id, id)
);

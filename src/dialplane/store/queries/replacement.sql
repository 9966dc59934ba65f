-- Contacts of a campaign that has called nobody, all of them changed for others.

-- name: forget_contacts(organization_id, campaign_id, now)!
-- The counters, after the rows themselves are gone.
UPDATE campaign SET total = 0, sealed_sequence = 0, variable_names = '{}', updated_at = :now
WHERE organization_id = :organization_id AND id = :campaign_id;

-- Numbers that nobody in an organization calls.

-- name: add_do_not_call(organization_id, to_numbers, source, note, now)
INSERT INTO do_not_call (organization_id, to_number, source, note, created_at)
SELECT :organization_id, n.to_number, :source, :note, :now::timestamptz FROM unnest(:to_numbers::text[]) AS n (to_number)
ON CONFLICT (organization_id, to_number) DO NOTHING
RETURNING to_number;

-- name: do_not_call_entries(organization_id, to_numbers)
SELECT to_number, source, note, created_at FROM do_not_call
WHERE organization_id = :organization_id AND to_number = ANY(:to_numbers::text[]) ORDER BY to_number;

-- name: remove_do_not_call(organization_id, to_numbers)
DELETE FROM do_not_call WHERE organization_id = :organization_id AND to_number = ANY(:to_numbers::text[])
RETURNING to_number;

-- name: do_not_call_page(organization_id, after, limit)
SELECT to_number, source, note, created_at FROM do_not_call
WHERE organization_id = :organization_id AND to_number > :after ORDER BY to_number LIMIT :limit;

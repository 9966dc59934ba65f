-- What the tables of this schema are, for whoever copies them out and in.

-- name: tables_among(names)
SELECT c.relname::text AS name FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relname::text = ANY(:names::text[]);

-- name: columns_of(names)
-- In their order; sequence: where the values of an identity column come from.
SELECT c.relname::text AS table_name, a.attname::text AS name,
       pg_get_serial_sequence(quote_ident(c.relname), a.attname) AS sequence
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relnamespace = current_schema()::regnamespace AND c.relname::text = ANY(:names::text[])
ORDER BY c.relname, a.attnum;

-- name: references_of(names)
-- Which table must be filled before which.
SELECT DISTINCT c.relname::text AS table_name, f.relname::text AS needs
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_class f ON f.oid = k.confrelid
WHERE k.contype = 'f' AND k.connamespace = current_schema()::regnamespace AND c.oid <> f.oid
  AND c.relname::text = ANY(:names::text[]) AND f.relname::text = ANY(:names::text[]);

-- name: applied_migrations()
SELECT number, name, sha256 FROM schema_migration ORDER BY number;

-- name: moment()$
SELECT statement_timestamp();

-- name: set_sequence(table_name, column_name, last_value, is_called)$
SELECT setval(pg_get_serial_sequence(quote_ident(:table_name::text), :column_name::text), :last_value::bigint,
              :is_called::boolean);

"""What a database looks like, and what is in it: to be compared with another one, or with itself at another time."""

from typing import Any

import asyncpg

_SCHEMA = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text,
            a.attgenerated::text, coalesce(l.collname, ''), a.attstorage::text, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        LEFT JOIN pg_collation l ON l.oid = a.attcollation
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0
            AND NOT a.attisdropped""",
    "relations": """
        SELECT relname, relkind::text, relpersistence::text, relrowsecurity, reloptions, relacl::text,
            CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) WHEN 'm' THEN pg_get_viewdef(oid) END
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i'""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, contype::text, convalidated, condeferrable, condeferred,
            pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "indexes": """
        SELECT indrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid, indisunique
        FROM pg_index WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)""",
    "sequences": """
        SELECT s.seqrelid::regclass::text, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmax,
            s.seqmin, s.seqcache, s.seqcycle, d.refobjid::regclass::text, d.refobjsubid > 0
        FROM pg_sequence s LEFT JOIN pg_depend d ON d.objid = s.seqrelid AND d.deptype IN ('a', 'i')""",
    "functions": """
        SELECT oid::regprocedure::text, pg_get_functiondef(oid), proacl::text FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND prokind IN ('f', 'p')""",
    "triggers": "SELECT pg_get_triggerdef(oid), tgenabled::text FROM pg_trigger WHERE NOT tgisinternal",
    "policies": "SELECT tablename, policyname, roles::text, cmd, qual, with_check FROM pg_policies",
    "types": """
        SELECT t.typname, t.typtype::text, e.enumlabel FROM pg_type t LEFT JOIN pg_enum e ON e.enumtypid = t.oid
        WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('e', 'd')""",
}
_TABLES = """
    SELECT oid::regclass::text FROM pg_class
    WHERE relkind IN ('r', 'p', 'm')
        AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    ORDER BY 1"""


async def schema_of(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything the catalogue says of the schema, but the order of columns and the table that counts migrations."""
    connection = await asyncpg.connect(dsn)
    try:
        found = {kind: [tuple(row) for row in await connection.fetch(query)] for kind, query in _SCHEMA.items()}
    finally:
        await connection.close()
    return {
        kind: sorted((row for row in rows if "holdfast_migrations" not in str(row)), key=repr)
        for kind, rows in found.items()
    }


async def contents_of(dsn: str) -> dict[str, list[str]]:
    """Every row of every table as text, and the state of every sequence."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = [row[0] for row in await connection.fetch(_TABLES)]
        contents = {
            table: sorted(row[0] for row in await connection.fetch(f"SELECT t::text FROM {table} t"))
            for table in tables
        }
        sequences = await connection.fetch(
            "SELECT schemaname || '.' || sequencename || ' ' || coalesce(last_value, -1) FROM pg_sequences"
        )
        return {**contents, "sequences": sorted(row[0] for row in sequences)}
    finally:
        await connection.close()

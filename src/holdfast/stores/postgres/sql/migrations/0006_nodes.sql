-- older nodes: go on

-- Nodes that run, as they report every few seconds; backends is what each sees of its own.
CREATE TABLE nodes (
    id             UUID PRIMARY KEY,
    name           TEXT NOT NULL,
    release        TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    started_at     TIMESTAMPTZ NOT NULL,
    seen_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    backends       JSONB NOT NULL DEFAULT '[]'
);

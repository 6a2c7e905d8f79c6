-- older nodes: go on

-- What people are told: one row per event and recipient, kept after it was sent, so that nobody is told twice.
-- Those of one bundle are one message.
CREATE TABLE notices (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id        TEXT NOT NULL,
    recipient       TEXT NOT NULL,
    topic           TEXT NOT NULL,
    subject         TEXT NOT NULL,
    facts           JSONB NOT NULL,
    bundle          TEXT,
    state           TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'dead', 'discarded')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    last_error      TEXT,
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    next_attempt_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    sent_at         TIMESTAMPTZ,
    lease_until     TIMESTAMPTZ,
    fence           BIGINT NOT NULL DEFAULT 0,
    UNIQUE (event_id, recipient)
);
CREATE INDEX notices_waiting ON notices (next_attempt_at) WHERE state = 'waiting';
CREATE INDEX notices_dead ON notices (id) WHERE state = 'dead';
CREATE INDEX notices_bundle ON notices (recipient, bundle, id) WHERE state = 'waiting' AND bundle IS NOT NULL;

-- When some node last looked for events that nobody announces, such as an expiry coming near.
CREATE TABLE notice_watch (
    single    BOOLEAN PRIMARY KEY DEFAULT true CHECK (single),
    looked_at TIMESTAMPTZ NOT NULL DEFAULT '-infinity'
);
INSERT INTO notice_watch DEFAULT VALUES;

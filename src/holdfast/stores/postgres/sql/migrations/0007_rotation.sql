-- older nodes: go on

-- Rotations, with their phase. At most one is open per secret; candidate is sealed, and gone once it is current.
CREATE TABLE rotation_runs (
    id              UUID PRIMARY KEY,
    secret_name     VARCHAR(255) NOT NULL,
    incarnation     UUID NOT NULL REFERENCES secrets_vault (incarnation) ON DELETE CASCADE,
    phase           TEXT NOT NULL DEFAULT 'pending'
                    CHECK (phase IN ('pending', 'applied', 'tested', 'current', 'retired', 'cancelled')),
    handler         TEXT NOT NULL,
    trigger         TEXT NOT NULL CHECK (trigger IN ('manual', 'schedule', 'rollback')),
    requested_by    VARCHAR(255) NOT NULL,
    from_version    BIGINT NOT NULL,
    version         BIGINT,
    candidate       BYTEA,
    tried           BOOLEAN NOT NULL DEFAULT false,
    attempts        INTEGER NOT NULL DEFAULT 0,
    last_error      TEXT,
    next_attempt_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    lease_until     TIMESTAMPTZ,
    fence           BIGINT NOT NULL,
    started_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    promoted_at     TIMESTAMPTZ,
    retire_by       TIMESTAMPTZ,
    finished_at     TIMESTAMPTZ
);
CREATE UNIQUE INDEX rotation_runs_open ON rotation_runs (secret_name) WHERE phase NOT IN ('retired', 'cancelled');
CREATE INDEX rotation_runs_by_secret ON rotation_runs (secret_name, started_at DESC);

-- Grows with every holder of a run, over all secrets: a target that saw a higher one refuses whoever comes late.
CREATE SEQUENCE rotation_fences;

ALTER TABLE secret_rotation_schedule
    ADD COLUMN failures INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN last_error TEXT,
    ADD COLUMN next_attempt_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    ADD COLUMN lease_until TIMESTAMPTZ,
    ADD COLUMN requested_at TIMESTAMPTZ,
    ADD COLUMN approved_by VARCHAR(255);
CREATE INDEX secret_rotation_schedule_by_due ON secret_rotation_schedule (next_rotation_at);
ALTER TABLE installation ADD COLUMN rotations_checked_at TIMESTAMPTZ;

-- older nodes: go on

-- Requests for emergency access, kept in whatever state they end. pattern and incarnation as in secret_access_control;
-- approvers, second_factor and rotate are what the policy asked for. Only open ones with a valid attestation count.
CREATE TABLE break_glass_requests (
    id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    requester     VARCHAR(255) NOT NULL,
    pattern       VARCHAR(255) NOT NULL,
    permissions   TEXT[] NOT NULL,
    reason        TEXT NOT NULL,
    duration      INTERVAL NOT NULL CHECK (duration > interval '0'),
    approvers     INTEGER NOT NULL CHECK (approvers >= 0),
    second_factor BOOLEAN NOT NULL,
    rotate        BOOLEAN NOT NULL,
    incarnation   UUID,
    state         TEXT NOT NULL DEFAULT 'requested' CHECK (state IN (
                      'requested', 'approved', 'denied', 'withdrawn', 'expired', 'ended', 'revoked', 'void')),
    requested_at  TIMESTAMPTZ NOT NULL,
    open_until    TIMESTAMPTZ NOT NULL,
    decided_at    TIMESTAMPTZ,
    decided_by    VARCHAR(255),
    expires_at    TIMESTAMPTZ,
    ended_at      TIMESTAMPTZ,
    ended_by      VARCHAR(255),
    failures      INTEGER NOT NULL DEFAULT 0,
    attestation   TEXT NOT NULL DEFAULT ''
);
CREATE INDEX break_glass_requests_open ON break_glass_requests (pattern) WHERE state IN ('requested', 'approved');
CREATE INDEX break_glass_requests_by_requester ON break_glass_requests (requester, requested_at);
CREATE INDEX break_glass_requests_by_end ON break_glass_requests (ended_at);

-- Who agreed to a request.
CREATE TABLE break_glass_votes (
    request_id  BIGINT NOT NULL REFERENCES break_glass_requests ON DELETE CASCADE,
    voter       VARCHAR(255) NOT NULL,
    voted_at    TIMESTAMPTZ NOT NULL,
    groups      TEXT[] NOT NULL DEFAULT '{}',
    rule        TEXT NOT NULL,
    attestation TEXT NOT NULL,
    PRIMARY KEY (request_id, voter)
);

-- The rules that approved requests make, beside all others; the columns as in secret_access_control.
CREATE TABLE break_glass_grants (
    id          BIGINT PRIMARY KEY REFERENCES break_glass_requests ON DELETE CASCADE,
    subject     VARCHAR(255) NOT NULL,
    pattern     VARCHAR(255) NOT NULL,
    permissions TEXT[] NOT NULL,
    granted_by  VARCHAR(255) NOT NULL,
    granted_at  TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL,
    incarnation UUID,
    attestation TEXT NOT NULL
);
CREATE INDEX break_glass_grants_by_subject ON break_glass_grants (subject);

-- What was read by such a rule, as found in the audit trail when it had ended.
CREATE TABLE break_glass_reads (
    request_id  BIGINT NOT NULL REFERENCES break_glass_requests ON DELETE CASCADE,
    secret_name VARCHAR(255) NOT NULL,
    read_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (request_id, secret_name)
);
CREATE INDEX break_glass_reads_by_secret ON break_glass_reads (secret_name);

-- Recovery codes, by the SHA-256 of their 125 random bits; the first is number 1, and used lists those that are spent.
CREATE TABLE break_glass_codes (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pattern      VARCHAR(255) NOT NULL UNIQUE,
    threshold    INTEGER NOT NULL CHECK (threshold >= 2),
    hashes       BYTEA[] NOT NULL,
    used         INTEGER[] NOT NULL DEFAULT '{}',
    created_by   VARCHAR(255) NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ,
    attestation  TEXT NOT NULL DEFAULT ''
);

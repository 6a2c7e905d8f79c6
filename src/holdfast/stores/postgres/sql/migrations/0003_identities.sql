-- older nodes: stop first

-- Everybody who holds a credential of this installation, or whom an issuer vouches for and something is kept about.
CREATE TABLE identities (
    id                BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name              VARCHAR(255) NOT NULL UNIQUE,
    kind              TEXT NOT NULL CHECK (kind IN ('application', 'person')),
    created_by        VARCHAR(255) NOT NULL,
    created_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    disabled_at       TIMESTAMPTZ,
    incarnation       UUID NOT NULL DEFAULT gen_random_uuid(),
    attestation       TEXT NOT NULL DEFAULT '',
    totp_secret       BYTEA,
    totp_confirmed_at TIMESTAMPTZ,
    totp_counter      BIGINT,
    totp_full_at      TIMESTAMPTZ
);
CREATE INDEX identities_by_lower_name ON identities (lower(name));

CREATE TABLE identity_groups (
    identity_name VARCHAR(255) NOT NULL REFERENCES identities (name) ON DELETE CASCADE,
    group_name    VARCHAR(255) NOT NULL,
    added_by      VARCHAR(255) NOT NULL,
    added_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (identity_name, group_name)
);

-- Tokens by the SHA-256 of their 256 random bits. No renewal goes beyond max_expires_at.
CREATE TABLE api_tokens (
    id             UUID PRIMARY KEY,
    token_hash     BYTEA NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    identity_name  VARCHAR(255) NOT NULL REFERENCES identities (name) ON DELETE CASCADE,
    description    TEXT,
    networks       TEXT[] NOT NULL DEFAULT '{}',
    created_by     VARCHAR(255) NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    lifetime_s     INTEGER NOT NULL CHECK (lifetime_s > 0),
    expires_at     TIMESTAMPTZ NOT NULL,
    max_expires_at TIMESTAMPTZ NOT NULL CHECK (expires_at <= max_expires_at),
    renewals       INTEGER NOT NULL DEFAULT 0,
    revoked_at     TIMESTAMPTZ,
    last_used_at   TIMESTAMPTZ,
    attestation    TEXT NOT NULL DEFAULT ''
);
CREATE INDEX api_tokens_by_identity ON api_tokens (identity_name);
CREATE INDEX api_tokens_by_end ON api_tokens (expires_at);

-- A client id and its secret are one more credential of the identity of that name.
INSERT INTO identities (name, kind, created_by, created_at)
SELECT client_id, 'application', created_by, created_at FROM clients;
ALTER TABLE clients ADD FOREIGN KEY (client_id) REFERENCES identities (name) ON DELETE CASCADE;

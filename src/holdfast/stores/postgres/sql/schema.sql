-- The whole schema, as the sum of the migrations beside it. A test holds the two equal.
-- Names and columns of the four tables of the specification are kept; ids are BIGINT identities.

-- Orders all states a name was ever in, over versions and incarnations. Drawn under the secret's row lock.
CREATE SEQUENCE secret_revisions;

-- Head and current version of every secret that is not purged.
CREATE TABLE secrets_vault (
    id                 BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    secret_name        VARCHAR(255) NOT NULL UNIQUE,
    display_name       VARCHAR(255) NOT NULL,
    incarnation        UUID NOT NULL UNIQUE,
    state              TEXT NOT NULL CHECK (state IN ('active', 'deleted')),
    revision           BIGINT NOT NULL,
    encrypted_value    TEXT,
    iv                 VARCHAR(255),
    auth_tag           VARCHAR(255),
    key_id             TEXT,
    wrapped_key        TEXT,
    attestation        TEXT NOT NULL,
    metadata           JSONB NOT NULL DEFAULT '{}',
    content_type       TEXT,
    tags               JSONB NOT NULL DEFAULT '{}',
    version            BIGINT NOT NULL DEFAULT 1 CHECK (version > 0),
    version_id         CHAR(32) NOT NULL,
    enabled            BOOLEAN NOT NULL DEFAULT true,
    not_before         TIMESTAMPTZ,
    expires_at         TIMESTAMPTZ,
    created_at         TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at         TIMESTAMPTZ NOT NULL DEFAULT now(),
    created_by         VARCHAR(255),
    updated_by         VARCHAR(255),
    vault_version_id   TEXT,
    vault_updated_at   TIMESTAMPTZ,
    verified_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at         TIMESTAMPTZ,
    scheduled_purge_at TIMESTAMPTZ,
    drift              TEXT
);
CREATE INDEX secrets_vault_by_expiry ON secrets_vault (expires_at) WHERE state = 'active' AND expires_at IS NOT NULL;
CREATE INDEX secrets_vault_by_purge ON secrets_vault (scheduled_purge_at) WHERE state = 'deleted';

-- Versions that are not current.
CREATE TABLE secret_versions (
    incarnation      UUID NOT NULL REFERENCES secrets_vault (incarnation) ON DELETE CASCADE,
    version          BIGINT NOT NULL CHECK (version > 0),
    version_id       CHAR(32) NOT NULL,
    encrypted_value  TEXT,
    iv               VARCHAR(255),
    auth_tag         VARCHAR(255),
    key_id           TEXT,
    wrapped_key      TEXT,
    content_type     TEXT,
    tags             JSONB NOT NULL DEFAULT '{}',
    enabled          BOOLEAN NOT NULL,
    not_before       TIMESTAMPTZ,
    expires_at       TIMESTAMPTZ,
    created_at       TIMESTAMPTZ NOT NULL,
    updated_at       TIMESTAMPTZ NOT NULL,
    created_by       VARCHAR(255),
    vault_version_id TEXT,
    PRIMARY KEY (incarnation, version),
    UNIQUE (incarnation, version_id)
);

-- Changes that Key Vault must still learn of, and those it has learnt: the outbox.
CREATE TABLE secret_intents (
    sequence        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id              UUID NOT NULL UNIQUE,
    incarnation     UUID NOT NULL,
    secret_name     VARCHAR(255) NOT NULL,
    display_name    VARCHAR(255) NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('set', 'update', 'delete', 'recover', 'purge')),
    version         BIGINT,
    attributes      JSONB,
    state           TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'parked', 'superseded')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    last_error      TEXT,
    next_attempt_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    lease_until     TIMESTAMPTZ,
    fence           BIGINT NOT NULL DEFAULT 0,
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    settled_at      TIMESTAMPTZ
);
CREATE INDEX secret_intents_waiting ON secret_intents (secret_name, sequence) WHERE state IN ('open', 'parked');
CREATE INDEX secret_intents_by_version ON secret_intents (incarnation, version);
CREATE INDEX secret_intents_purges ON secret_intents (secret_name) WHERE kind = 'purge';
CREATE INDEX secret_intents_settled ON secret_intents (settled_at) WHERE state IN ('done', 'superseded');

CREATE TABLE secret_access_logs (
    id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record_id     UUID NOT NULL,
    secret_name   VARCHAR(255) NOT NULL,
    user_id       VARCHAR(255) NOT NULL,
    operation     VARCHAR(50) NOT NULL,
    success       BOOLEAN NOT NULL,
    error_code    TEXT,
    error_message TEXT,
    version       BIGINT,
    source        TEXT,
    stale         BOOLEAN NOT NULL DEFAULT false,
    ip_address    VARCHAR(50),
    user_agent    TEXT,
    request_id    TEXT,
    timestamp     TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX secret_access_logs_by_secret ON secret_access_logs (secret_name, id DESC);
CREATE INDEX secret_access_logs_by_user ON secret_access_logs (user_id, id DESC);

-- Files of the local audit log that have arrived here.
CREATE TABLE audit_shipments (
    batch      UUID PRIMARY KEY,
    shipped_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE secret_rotation_schedule (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    secret_name      VARCHAR(255) NOT NULL UNIQUE,
    rotation_policy  JSONB NOT NULL,
    last_rotated_at  TIMESTAMPTZ,
    next_rotation_at TIMESTAMPTZ NOT NULL,
    rotation_count   INTEGER NOT NULL DEFAULT 0,
    created_at       TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at       TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- secret_name is a name or a glob with one '*'; user_id an identity or 'group:' and a name. incarnation: the life of a
-- single secret that the rule is for, NULL while it waits for one. Only rows with a valid attestation count.
CREATE TABLE secret_access_control (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    secret_name VARCHAR(255) NOT NULL,
    user_id     VARCHAR(255) NOT NULL,
    permissions TEXT[] NOT NULL,
    granted_by  VARCHAR(255) NOT NULL,
    granted_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at  TIMESTAMPTZ,
    incarnation UUID,
    attestation TEXT NOT NULL DEFAULT '',
    UNIQUE (secret_name, user_id)
);
CREATE INDEX secret_access_control_by_user ON secret_access_control (user_id);

-- Named sets of permissions over a name or glob; the columns as above.
CREATE TABLE role_assignments (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject     VARCHAR(255) NOT NULL,
    role        TEXT NOT NULL,
    pattern     VARCHAR(255) NOT NULL,
    granted_by  VARCHAR(255) NOT NULL,
    granted_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at  TIMESTAMPTZ,
    incarnation UUID,
    attestation TEXT NOT NULL DEFAULT '',
    UNIQUE (subject, role, pattern)
);
CREATE INDEX role_assignments_by_pattern ON role_assignments (pattern);

-- Grows with every change of the rules: whoever missed its announcement sees by it that there was one.
CREATE TABLE access_epoch (
    single BOOLEAN PRIMARY KEY DEFAULT true CHECK (single),
    epoch  BIGINT NOT NULL DEFAULT 0
);
INSERT INTO access_epoch DEFAULT VALUES;

-- Clients of the token endpoint. The secret is 256 random bits, so a plain SHA-256 of it is enough.
CREATE TABLE clients (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_id   VARCHAR(255) NOT NULL UNIQUE,
    secret_hash BYTEA NOT NULL CHECK (octet_length(secret_hash) = 32),
    created_by  VARCHAR(255) NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Answers kept for repeated requests.
CREATE TABLE idempotency_records (
    user_id         VARCHAR(255) NOT NULL,
    idempotency_key VARCHAR(255) NOT NULL,
    secret_name     VARCHAR(255) NOT NULL,
    fingerprint     BYTEA NOT NULL,
    answer          JSONB NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, idempotency_key)
);
CREATE INDEX idempotency_records_by_age ON idempotency_records (created_at);
CREATE INDEX idempotency_records_by_secret ON idempotency_records (secret_name);

-- Keys of the ring that ever sealed something here, each with a known answer that only the right key opens.
CREATE TABLE encryption_keys (
    key_id       TEXT PRIMARY KEY,
    known_answer BYTEA NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Counts purges; those up to the number in installation.scrubbed have left the files of the tables as well.
CREATE SEQUENCE secret_purges;

-- The id tells this installation from others that share its Redis. The tenant is what clients name to log in, kept for
-- ever: keys come and go. The first node to start here fills it in.
CREATE TABLE installation (
    single             BOOLEAN PRIMARY KEY DEFAULT true CHECK (single),
    id                 UUID NOT NULL DEFAULT gen_random_uuid(),
    tenant             UUID,
    scrubbed           BIGINT NOT NULL DEFAULT 0,
    scrubbing_began_at TIMESTAMPTZ NOT NULL DEFAULT '-infinity'
);
INSERT INTO installation DEFAULT VALUES;

-- Single facts of the whole installation: who leads the mirroring, and when it last went through.
CREATE TABLE sync_state (
    id               BOOLEAN PRIMARY KEY DEFAULT true CHECK (id),
    vault_url        TEXT,
    leader           UUID,
    lease_until      TIMESTAMPTZ,
    fence            BIGINT NOT NULL DEFAULT 0,
    last_started_at  TIMESTAMPTZ,
    last_finished_at TIMESTAMPTZ,
    last_error       TEXT
);
INSERT INTO sync_state DEFAULT VALUES;

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

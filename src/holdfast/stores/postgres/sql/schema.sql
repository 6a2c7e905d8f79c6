-- The whole schema, as the sum of the migrations beside it. A test holds the two equal.
-- Names and columns of the four tables of the specification are kept; ids are BIGINT identities.

-- Orders all states a name was ever in, over versions and incarnations. Drawn under the secret's row lock.
CREATE SEQUENCE secret_revisions;

-- Head and current version of every secret that is not purged. told_id: the first id that Key Vault gave the version, which
-- callers are told. provisional: its number is nobody's yet, since Key Vault may know versions before it.
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
    carried            JSONB NOT NULL DEFAULT '{}',
    created_at         TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at         TIMESTAMPTZ NOT NULL DEFAULT now(),
    created_by         VARCHAR(255),
    updated_by         VARCHAR(255),
    vault_version_id   TEXT,
    vault_updated_at   TIMESTAMPTZ,
    verified_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at         TIMESTAMPTZ,
    scheduled_purge_at TIMESTAMPTZ,
    drift              TEXT,
    told_id            TEXT,
    provisional        BOOLEAN NOT NULL DEFAULT false
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
    carried          JSONB NOT NULL DEFAULT '{}',
    created_at       TIMESTAMPTZ NOT NULL,
    updated_at       TIMESTAMPTZ NOT NULL,
    created_by       VARCHAR(255),
    vault_version_id TEXT,
    told_id          TEXT,
    PRIMARY KEY (incarnation, version),
    UNIQUE (incarnation, version_id)
);
CREATE INDEX secret_versions_by_told_id ON secret_versions (incarnation, told_id);
CREATE INDEX secret_versions_by_vault_id ON secret_versions (incarnation, vault_version_id);
CREATE INDEX secret_versions_unfetched ON secret_versions (incarnation, version DESC) WHERE key_id IS NULL AND enabled;

-- Changes that Key Vault must still learn of, and those it has learnt: the outbox. restored: it was open in a backup, so
-- it may be in effect already, and undone since. failures: those in a row that were about this change alone. doubts:
-- attempts that may have taken effect. limbo_since: since when Key Vault has been settling.
CREATE TABLE secret_intents (
    sequence        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id              UUID NOT NULL UNIQUE,
    incarnation     UUID NOT NULL,
    secret_name     VARCHAR(255) NOT NULL,
    display_name    VARCHAR(255) NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('set', 'update', 'delete', 'recover', 'purge')),
    version         BIGINT,
    attributes      JSONB,
    state           TEXT NOT NULL DEFAULT 'open'
                    CONSTRAINT secret_intents_state_check
                    CHECK (state IN ('open', 'done', 'parked', 'superseded', 'refused')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    last_error      TEXT,
    next_attempt_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    lease_until     TIMESTAMPTZ,
    fence           BIGINT NOT NULL DEFAULT 0,
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    settled_at      TIMESTAMPTZ,
    restored        BOOLEAN NOT NULL DEFAULT false,
    failures        INTEGER NOT NULL DEFAULT 0,
    doubts          INTEGER NOT NULL DEFAULT 0,
    limbo_since     TIMESTAMPTZ
);
CREATE INDEX secret_intents_waiting ON secret_intents (secret_name, sequence) WHERE state IN ('open', 'parked');
CREATE INDEX secret_intents_due ON secret_intents (next_attempt_at, sequence) WHERE state IN ('open', 'parked');
CREATE INDEX secret_intents_by_version ON secret_intents (incarnation, version);
CREATE INDEX secret_intents_purges ON secret_intents (secret_name) WHERE kind = 'purge';
CREATE INDEX secret_intents_settled ON secret_intents (settled_at) WHERE state IN ('done', 'superseded', 'refused');

-- Changes that Key Vault is being asked about, sealed: they count here only after its answer. The intent is open and held.
CREATE TABLE secret_proposals (
    intent      UUID PRIMARY KEY REFERENCES secret_intents (id) ON DELETE CASCADE,
    secret_name VARCHAR(255) NOT NULL UNIQUE,
    change      BYTEA NOT NULL
);

-- (writer, boot) is a chain, seq counts in it without gaps, hash chains the rows: docs/audit.md.
CREATE TABLE secret_access_logs (
    id            BIGINT GENERATED BY DEFAULT AS IDENTITY,
    writer        UUID NOT NULL,
    boot          BIGINT NOT NULL,
    seq           BIGINT NOT NULL,
    hash          BYTEA NOT NULL,
    timestamp     TIMESTAMPTZ NOT NULL,
    secret_name   VARCHAR(255) NOT NULL,
    user_id       VARCHAR(255) NOT NULL,
    operation     VARCHAR(50) NOT NULL,
    success       BOOLEAN NOT NULL,
    auth_method   TEXT,
    rule          TEXT,
    error_code    TEXT,
    error_message TEXT,
    version       BIGINT,
    source        TEXT,
    stale         BOOLEAN NOT NULL DEFAULT false,
    ip_address    VARCHAR(50),
    user_agent    TEXT,
    request_id    TEXT,
    detail        TEXT,
    PRIMARY KEY (writer, boot, seq, timestamp)
) PARTITION BY RANGE (timestamp);
CREATE INDEX secret_access_logs_by_time ON secret_access_logs (timestamp DESC, id DESC);
CREATE INDEX secret_access_logs_by_secret ON secret_access_logs (secret_name, timestamp DESC, id DESC);
CREATE INDEX secret_access_logs_by_user ON secret_access_logs (user_id, timestamp DESC, id DESC);

-- Makes the partitions of this month and the next two where they lack; one of all earlier times is always there. Whoever
-- may record may have them made.
CREATE FUNCTION audit_partitions() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET lock_timeout = '1s' AS $$
DECLARE
    first DATE;
    month DATE;
BEGIN
    PERFORM pg_advisory_xact_lock(1751215718);
    SELECT min(to_date(substring(c.relname FROM '[0-9]{6}$'), 'YYYYMM')) INTO first
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'secret_access_logs'::regclass AND c.relname ~ '_[0-9]{6}$';
    IF first IS NULL THEN
        first := date_trunc('month', now() AT TIME ZONE 'UTC');
        EXECUTE format('CREATE TABLE secret_access_logs_past PARTITION OF secret_access_logs '
            'FOR VALUES FROM (MINVALUE) TO (%L)', first::text || ' 00:00:00+00');
    END IF;
    FOR month IN SELECT generate_series(first, now() AT TIME ZONE 'UTC' + interval '2 months', interval '1 month')::date LOOP
        IF to_regclass('secret_access_logs_' || to_char(month, 'YYYYMM')) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF secret_access_logs FOR VALUES FROM (%L) TO (%L)',
                'secret_access_logs_' || to_char(month, 'YYYYMM'), month::text || ' 00:00:00+00',
                (month + interval '1 month')::date::text || ' 00:00:00+00');
        END IF;
    END LOOP;
END $$;
SELECT audit_partitions();

-- Every chain, from its first record on. Its records up to signed_seq are under a checkpoint. settled: nobody writes to it
-- any more, and all of it is signed.
CREATE TABLE audit_chains (
    writer     UUID NOT NULL,
    boot       BIGINT NOT NULL,
    opened_at  TIMESTAMPTZ NOT NULL,
    signed_seq BIGINT NOT NULL DEFAULT 0,
    signed_at  TIMESTAMPTZ,
    settled    BOOLEAN NOT NULL DEFAULT false,
    PRIMARY KEY (writer, boot)
);
CREATE INDEX audit_chains_growing ON audit_chains (writer, boot) WHERE NOT settled;
CREATE FUNCTION audit_chain_opened() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_chains (writer, boot, opened_at) VALUES (NEW.writer, NEW.boot, NEW.timestamp)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_chain_opened AFTER INSERT ON secret_access_logs
    FOR EACH ROW WHEN (NEW.seq = 1) EXECUTE FUNCTION audit_chain_opened();

-- Records that were committed with the change they describe and have no place in a chain yet.
CREATE TABLE audit_outbox (
    id     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record JSONB NOT NULL
);
CREATE INDEX audit_outbox_by_secret ON audit_outbox ((record ->> 'name'));

-- Keys that sign checkpoints; the private one is sealed under the key ring.
CREATE TABLE audit_keys (
    key_id     TEXT PRIMARY KEY,
    public_key BYTEA NOT NULL CHECK (octet_length(public_key) = 32),
    sealed_key BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Signed statements on where the chains end, each naming the one before; line is what was signed, with the signature.
CREATE TABLE audit_checkpoints (
    number     BIGINT PRIMARY KEY CHECK (number > 0),
    line       TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Where records and checkpoints are sent to, and how far that has come.
CREATE TABLE audit_streams (
    name         TEXT PRIMARY KEY,
    holder       UUID,
    lease_until  TIMESTAMPTZ,
    checkpoint   BIGINT NOT NULL DEFAULT 0,
    delivered    BIGINT NOT NULL DEFAULT 0,
    delivered_at TIMESTAMPTZ,
    failed_at    TIMESTAMPTZ,
    last_error   TEXT,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TABLE audit_stream_cursors (
    stream TEXT NOT NULL REFERENCES audit_streams ON DELETE CASCADE,
    writer UUID NOT NULL,
    boot   BIGINT NOT NULL,
    seq    BIGINT NOT NULL,
    PRIMARY KEY (stream, writer, boot)
);

-- The oldest partition, if everything in it is older than a moment, signed, and delivered to all streams of records.
CREATE FUNCTION audit_prunable(before TIMESTAMPTZ) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
    partition TEXT;
    ends TIMESTAMPTZ;
    held BOOLEAN;
BEGIN
    SELECT c.relname, (to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month') AT TIME ZONE 'UTC'
    INTO partition, ends
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'secret_access_logs'::regclass AND c.relname ~ '_[0-9]{6}$' ORDER BY 1 LIMIT 1;
    IF EXISTS (SELECT 1 FROM secret_access_logs_past) THEN
        partition := 'secret_access_logs_past';
        ends := ends - interval '1 month';
    END IF;
    IF ends > before THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT EXISTS (
        SELECT 1 FROM (SELECT writer, boot, max(seq) AS seq FROM %I GROUP BY writer, boot) AS p
        LEFT JOIN audit_chains c USING (writer, boot)
        WHERE p.seq > coalesce(c.signed_seq, 0) OR EXISTS (
            SELECT 1 FROM audit_streams s LEFT JOIN audit_stream_cursors u
                ON u.stream = s.name AND u.writer = p.writer AND u.boot = p.boot
            WHERE s.name LIKE ''records %%'' AND p.seq > coalesce(u.seq, 0)))', partition) INTO held;
    RETURN CASE WHEN NOT held THEN partition END;
END $$;

-- The unbroken runs of records in a partition, each with the hash of its last.
CREATE FUNCTION audit_runs(partition TEXT)
RETURNS TABLE (writer UUID, boot BIGINT, first BIGINT, last BIGINT, hash TEXT) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('
        SELECT r.writer, r.boot, r.first, r.last, encode(l.hash, ''hex'') FROM (
            SELECT n.writer, n.boot, min(seq) AS first, max(seq) AS last FROM (
                SELECT p.writer, p.boot, seq, seq - row_number() OVER (PARTITION BY p.writer, p.boot ORDER BY seq)
                    AS island FROM %1$I p) AS n
            GROUP BY n.writer, n.boot, island) AS r
        JOIN %1$I l ON l.writer = r.writer AND l.boot = r.boot AND l.seq = r.last
        ORDER BY r.writer, r.boot, r.first', partition);
END $$;

-- Drops a partition; earlier times go into the one of all earlier times again, which is empty by then.
CREATE FUNCTION audit_drop(partition TEXT) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF partition = 'secret_access_logs_past' THEN
        TRUNCATE secret_access_logs_past;
        RETURN;
    END IF;
    EXECUTE format('DROP TABLE %I', partition);
    DROP TABLE secret_access_logs_past;
    EXECUTE format('CREATE TABLE secret_access_logs_past PARTITION OF secret_access_logs '
        'FOR VALUES FROM (MINVALUE) TO (%L)',
        (to_date(right(partition, 6), 'YYYYMM') + interval '1 month')::date::text || ' 00:00:00+00');
END $$;

CREATE TABLE secret_rotation_schedule (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    secret_name      VARCHAR(255) NOT NULL UNIQUE,
    rotation_policy  JSONB NOT NULL,
    last_rotated_at  TIMESTAMPTZ,
    next_rotation_at TIMESTAMPTZ NOT NULL,
    rotation_count   INTEGER NOT NULL DEFAULT 0,
    created_at       TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at       TIMESTAMPTZ NOT NULL DEFAULT now(),
    failures         INTEGER NOT NULL DEFAULT 0,
    last_error       TEXT,
    next_attempt_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    lease_until      TIMESTAMPTZ,
    requested_at     TIMESTAMPTZ,
    approved_by      VARCHAR(255),
    withheld         TEXT
);
CREATE INDEX secret_rotation_schedule_by_due ON secret_rotation_schedule (next_rotation_at);

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
    totp_full_at      TIMESTAMPTZ,
    revision          BIGINT NOT NULL DEFAULT 0,
    token_ids         UUID[] NOT NULL DEFAULT '{}'
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

-- Clients of the token endpoint. The secret is 256 random bits, so a plain SHA-256 of it is enough.
CREATE TABLE clients (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_id   VARCHAR(255) NOT NULL UNIQUE REFERENCES identities (name) ON DELETE CASCADE,
    secret_hash BYTEA NOT NULL CHECK (octet_length(secret_hash) = 32),
    created_by  VARCHAR(255) NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- What clients show the token endpoint instead of a secret. All of it is attested with the identity.
CREATE TABLE client_credentials (
    id          UUID PRIMARY KEY,
    client_id   VARCHAR(255) NOT NULL REFERENCES identities (name) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('federated', 'certificate')),
    issuer      TEXT NOT NULL DEFAULT '',
    subject     TEXT NOT NULL DEFAULT '',
    audience    TEXT NOT NULL DEFAULT '',
    certificate TEXT NOT NULL DEFAULT '',
    created_by  VARCHAR(255) NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (client_id, name)
);

-- Assertions that clients signed and have shown, by hashes, until they have ended: none is good from a second address.
CREATE TABLE used_assertions (
    client_id VARCHAR(255) NOT NULL,
    id_hash   BYTEA NOT NULL CHECK (octet_length(id_hash) = 32),
    hash      BYTEA NOT NULL CHECK (octet_length(hash) = 32),
    source    TEXT NOT NULL,
    ends_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (client_id, id_hash)
);
CREATE INDEX used_assertions_by_end ON used_assertions (ends_at);

-- Grows with every change of who is let in: whoever missed its announcement sees by it that there was one. Triggers see
-- to it, so that what older nodes and people with psql change counts as well.
CREATE TABLE identity_epoch (
    single      BOOLEAN PRIMARY KEY DEFAULT true CHECK (single),
    epoch       BIGINT NOT NULL DEFAULT 0,
    revision    BIGINT NOT NULL DEFAULT 0,
    attestation TEXT NOT NULL DEFAULT ''
);
INSERT INTO identity_epoch DEFAULT VALUES;

-- The revision that counts of each identity: an earlier row that is put back has another one. All marks together are
-- attested in the row of the epoch.
CREATE TABLE identity_marks (
    name     VARCHAR(255) PRIMARY KEY,
    revision BIGINT NOT NULL
);

CREATE FUNCTION announce_identity() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    reached BIGINT;
BEGIN
    UPDATE identity_epoch SET epoch = epoch + 1 RETURNING epoch INTO reached;
    PERFORM pg_notify('holdfast', 'identities:' || reached || ':' || (to_jsonb(COALESCE(NEW, OLD)) ->> TG_ARGV[0]));
    RETURN NULL;
END
$$;

CREATE TRIGGER announce AFTER INSERT OR DELETE OR UPDATE OF disabled_at, incarnation, attestation ON identities
    FOR EACH ROW EXECUTE FUNCTION announce_identity('name');
CREATE TRIGGER announce AFTER INSERT OR UPDATE OF expires_at, revoked_at ON api_tokens
    FOR EACH ROW EXECUTE FUNCTION announce_identity('identity_name');

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

-- Keys of the ring that ever sealed something here, each with a known answer that only the right key opens. The active
-- one seals, on all nodes; sealed counts what they sealed under it.
CREATE TABLE encryption_keys (
    key_id       TEXT PRIMARY KEY,
    known_answer BYTEA NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    state        TEXT NOT NULL DEFAULT 'draining' CHECK (state IN ('active', 'draining')),
    activated_at TIMESTAMPTZ,
    sealed       BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX encryption_keys_active ON encryption_keys (state) WHERE state = 'active';

-- Keys that nothing here needs any more, nor may be sealed under again.
CREATE TABLE retired_keys (
    key_id     TEXT PRIMARY KEY,
    sealed     BIGINT NOT NULL,
    retired_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Refuses rows under a retired key, from whoever has not heard. The shared lock makes whoever retires a key wait for
-- transactions that sealed under it and are not through; they are counted then.
CREATE FUNCTION refuse_retired_key() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sealing TEXT;
BEGIN
    IF TG_ARGV[0] = 'key_id' THEN
        sealing := NEW.key_id;
    ELSIF TG_ARGV[0] = 'attestation' THEN
        sealing := nullif(split_part(NEW.attestation, '.', 2), '');
    ELSIF TG_ARGV[0] = 'fingerprint' THEN
        sealing := nullif(split_part(encode(NEW.fingerprint, 'escape'), '.', 2), '');
    ELSIF TG_ARGV[0] = 'totp_secret' THEN
        sealing := encode(substring(NEW.totp_secret FROM 2 FOR 8), 'hex');
    ELSIF TG_ARGV[0] = 'sealed_key' THEN
        sealing := encode(substring(NEW.sealed_key FROM 2 FOR 8), 'hex');
    ELSIF TG_ARGV[0] = 'change' THEN
        sealing := encode(substring(NEW.change FROM 2 FOR 8), 'hex');
    ELSE
        sealing := encode(substring(NEW.candidate FROM 2 FOR 8), 'hex');
    END IF;
    IF sealing IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock_shared(1751215721, hashtext(sealing));
        IF EXISTS (SELECT FROM retired_keys WHERE key_id = sealing) THEN
            RAISE EXCEPTION 'the key % is retired', sealing USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
    END IF;
    RETURN NULL;
END $$;

-- Counts purges; those up to the number in installation.scrubbed have left the files of the tables as well.
CREATE SEQUENCE secret_purges;

-- The id tells this installation from others, the cache_namespace this life of it: they share a Redis. The tenant is what
-- clients name to log in, kept for ever: keys come and go. The first node to start here fills it in.
CREATE TABLE installation (
    single             BOOLEAN PRIMARY KEY DEFAULT true CHECK (single),
    id                 UUID NOT NULL DEFAULT gen_random_uuid(),
    tenant             UUID,
    scrubbed           BIGINT NOT NULL DEFAULT 0,
    scrubbing_began_at TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
    rotations_checked_at TIMESTAMPTZ,
    cache_namespace    UUID NOT NULL DEFAULT gen_random_uuid(),
    backup_id          UUID,
    backed_up_at       TIMESTAMPTZ,
    restored_at        TIMESTAMPTZ
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
    last_error       TEXT,
    first_tried_at   TIMESTAMPTZ,
    lacking          TEXT
);
INSERT INTO sync_state DEFAULT VALUES;

-- Names in Key Vault that cannot be mirrored now, and when they are tried again.
CREATE TABLE kept_out (
    name             TEXT PRIMARY KEY,
    reason           TEXT NOT NULL,
    detail           TEXT NOT NULL,
    since            TIMESTAMPTZ NOT NULL,
    attempts         INTEGER NOT NULL,
    next_attempt_at  TIMESTAMPTZ NOT NULL,
    vault_updated_at TIMESTAMPTZ
);

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

-- What every node reports of its ring.
CREATE TABLE node_rings (
    node    UUID PRIMARY KEY REFERENCES nodes (id) ON DELETE CASCADE,
    keys    TEXT[] NOT NULL,
    sealing TEXT NOT NULL
);

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
    finished_at     TIMESTAMPTZ,
    held_by         INTEGER
);
CREATE UNIQUE INDEX rotation_runs_open ON rotation_runs (secret_name) WHERE phase NOT IN ('retired', 'cancelled');
CREATE INDEX rotation_runs_by_secret ON rotation_runs (secret_name, started_at DESC);

-- Grows with every holder of a run, over all secrets: a target that saw a higher one refuses whoever comes late.
CREATE SEQUENCE rotation_fences;

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

-- Who fetched which secret, and the newest version each has: what a rotation waits for. Kept by every batch of the audit
-- trail, whoever writes it; last_seen is noted once a minute, so that a reader costs no row each time.
CREATE TABLE secret_consumers (
    secret_name VARCHAR(255) NOT NULL,
    user_id     VARCHAR(255) NOT NULL,
    version     BIGINT NOT NULL,
    last_seen   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (secret_name, user_id)
);
CREATE FUNCTION note_consumers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO secret_consumers AS known (secret_name, user_id, version, last_seen)
    SELECT f.secret_name, f.user_id, max(f.version), max(f.timestamp) FROM fetched f
    WHERE f.operation = 'get' AND f.success AND f.version IS NOT NULL
      AND NOT EXISTS (SELECT FROM secret_consumers c
                      WHERE c.secret_name = f.secret_name AND c.user_id = f.user_id
                        AND c.version >= f.version AND c.last_seen > f.timestamp - interval '1 minute')
    GROUP BY f.secret_name, f.user_id ORDER BY f.secret_name, f.user_id
    ON CONFLICT (secret_name, user_id) DO UPDATE
    SET version = greatest(known.version, EXCLUDED.version), last_seen = greatest(known.last_seen, EXCLUDED.last_seen);
    RETURN NULL;
END $$;
CREATE TRIGGER note_consumers AFTER INSERT ON secret_access_logs
    REFERENCING NEW TABLE AS fetched FOR EACH STATEMENT EXECUTE FUNCTION note_consumers();
-- A later life of the name counts its versions anew.
CREATE FUNCTION forget_consumers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM secret_consumers WHERE secret_name = OLD.secret_name;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_consumers AFTER DELETE ON secrets_vault
    FOR EACH ROW EXECUTE FUNCTION forget_consumers();

CREATE TRIGGER retired_key_id AFTER INSERT OR UPDATE OF key_id ON secrets_vault
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('key_id');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON secrets_vault
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_key_id AFTER INSERT OR UPDATE OF key_id ON secret_versions
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('key_id');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON secret_access_control
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON role_assignments
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON identities
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_totp_secret AFTER INSERT OR UPDATE OF totp_secret ON identities
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('totp_secret');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON api_tokens
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON identity_epoch
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_sealed_key AFTER INSERT OR UPDATE OF sealed_key ON audit_keys
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('sealed_key');
CREATE TRIGGER retired_candidate AFTER INSERT OR UPDATE OF candidate ON rotation_runs
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('candidate');
CREATE TRIGGER retired_change AFTER INSERT OR UPDATE OF change ON secret_proposals
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('change');
CREATE TRIGGER retired_fingerprint AFTER INSERT OR UPDATE OF fingerprint ON idempotency_records
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('fingerprint');

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

CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON break_glass_requests
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON break_glass_votes
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON break_glass_grants
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON break_glass_codes
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');

-- The last time that somebody vouched for the clock of this server although it had gone back; number 0: never.
CREATE TABLE clock_acceptance (
    id          SMALLINT PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    number      BIGINT NOT NULL DEFAULT 0,
    moment      TIMESTAMPTZ,
    believed    TIMESTAMPTZ,
    accepted_by VARCHAR(255),
    attestation TEXT NOT NULL DEFAULT ''
);
INSERT INTO clock_acceptance DEFAULT VALUES;
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON clock_acceptance
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');

-- Audit records that no chain takes, for a person to look at: unreadable, or refused by a column.
CREATE TABLE audit_set_aside (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record       JSONB NOT NULL,
    reason       TEXT NOT NULL,
    set_aside_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

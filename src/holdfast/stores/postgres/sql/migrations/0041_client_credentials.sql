-- older nodes: go on
-- What clients show the token endpoint instead of a secret. All of it is attested with the identity: older nodes let one
-- that has such a credential in by nothing.
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

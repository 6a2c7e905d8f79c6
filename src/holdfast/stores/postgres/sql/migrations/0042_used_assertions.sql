-- older nodes: go on
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

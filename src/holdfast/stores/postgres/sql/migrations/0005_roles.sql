-- older nodes: stop first

-- Roles, and rules (grants and role assignments) that carry the incarnation they were made for and an attestation.
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

ALTER TABLE secret_access_control ADD COLUMN incarnation UUID;
ALTER TABLE secret_access_control ADD COLUMN attestation TEXT NOT NULL DEFAULT '';

-- Grows with every change of the rules: whoever missed its announcement sees by it that there was one.
CREATE TABLE access_epoch (
    single BOOLEAN PRIMARY KEY DEFAULT true CHECK (single),
    epoch  BIGINT NOT NULL DEFAULT 0
);
INSERT INTO access_epoch DEFAULT VALUES;

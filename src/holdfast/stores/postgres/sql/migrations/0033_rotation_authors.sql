-- older nodes: stop first
-- The author of a rotation policy is attested with its secret, which older nodes do not know of.
-- withheld: why a policy waits to be confirmed, as nodes last saw it.
ALTER TABLE secret_rotation_schedule ADD COLUMN withheld TEXT;

-- held_by: the mark of the process that holds a run. When nobody has that mark any more, the process is gone.
ALTER TABLE rotation_runs ADD COLUMN held_by INTEGER;

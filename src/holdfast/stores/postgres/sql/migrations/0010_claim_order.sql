-- older nodes: go on

-- The replay takes the lowest open intent that is due. Without this it walks over all that were ever settled.
CREATE INDEX secret_intents_open ON secret_intents (sequence) WHERE state = 'open';

"""Key Vault's REST API for secrets, as pure functions: no sockets, no framework, no clock."""

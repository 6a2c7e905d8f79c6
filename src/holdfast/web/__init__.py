"""The server: Key Vault's REST API for secrets, the OAuth2 endpoint behind it, and health, over one TLS port."""

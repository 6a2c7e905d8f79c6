"""The life of encryption keys."""

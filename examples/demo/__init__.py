"""A vault is killed under load: ``python -m examples.demo``."""

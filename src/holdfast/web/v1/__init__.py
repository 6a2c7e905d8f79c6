"""Holdfast's own API. Its operations are data: dispatch, documentation and tests all read the same table."""

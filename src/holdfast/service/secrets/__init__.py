"""Secrets: read, written, listed, backed up, and kept in step on all nodes."""

"""Histories of real processes under faults, and the pure checkers that judge them (``docs/proof.md``)."""

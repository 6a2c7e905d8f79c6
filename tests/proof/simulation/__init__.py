"""Whole nodes, the production code, in virtual time: ``python -m tests.proof.simulation``."""

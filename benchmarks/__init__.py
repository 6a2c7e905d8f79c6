"""Measurements of Holdfast against what it replaces and against its own ceilings: ``python -m benchmarks``.

Everything is compared within one run, in alternating rounds, so that the ratio holds whatever the machine is doing.
Every scenario counts what it did: a round that gave a wrong value, or left a wrong number of audit records, is an
error and no figure.
"""

"""Hardcoded secrets: found in files, named, and replaced by a question to Holdfast. No value leaves this package."""

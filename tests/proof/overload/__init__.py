"""Overload and recovery: what Key Vault is asked while it is ill, and what a long outage leaves."""

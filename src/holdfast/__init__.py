"""Holdfast: secrets for teams on Azure Key Vault, served whatever fails underneath."""

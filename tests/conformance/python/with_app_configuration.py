"""Settings from App Configuration, whose secrets are in a vault. Prints a line for each thing that works."""

import os

from azure.appconfiguration.provider import load
from azure.identity import DefaultAzureCredential

settings = load(connection_string=os.environ["STORE"], keyvault_credential=DefaultAzureCredential())
assert settings["latest"] == "a value from the vault"
print("ok reads")
assert settings["pinned"] == "a value from the vault"
print("ok reads a version")

"""A program whose credential is found in its environment. Prints a line for each thing that works."""

import os

from azure.core.exceptions import ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

with SecretClient(os.environ["VAULT_URL"], DefaultAzureCredential()) as vault:
    assert vault.get_secret("seed").value == "a value from the vault"
    print("ok reads")
    vault.set_secret("set-by-python", "Python")
    assert vault.get_secret("set-by-python").value == "Python"
    print("ok writes")
    try:
        vault.get_secret("none")
    except ResourceNotFoundError:
        print("ok misses")

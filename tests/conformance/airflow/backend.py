"""Airflow with a vault as its backend of secrets. Prints a line for each thing that works."""

import json
import os

os.environ["AIRFLOW__SECRETS__BACKEND"] = "airflow.providers.microsoft.azure.secrets.key_vault.AzureKeyVaultBackend"
os.environ["AIRFLOW__SECRETS__BACKEND_KWARGS"] = json.dumps({"vault_url": os.environ["VAULT_URL"]})
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"

from airflow.configuration import conf, ensure_secrets_loaded
from airflow.models import Connection, Variable

assert Variable.get_variable_from_secrets("greeting") == "a value from the vault"
print("ok reads a variable")
connection = Connection.get_connection_from_secrets("shop")
assert (connection.conn_type, connection.host, connection.password) == ("postgres", "db.example", "p@ss")
print("ok reads a connection")
os.environ["AIRFLOW__SENTRY__SENTRY_DSN_SECRET"] = "sentry-dsn"
assert conf.get("sentry", "sentry_dsn") == "a password from the vault"
print("ok reads a part of its configuration")
backend = next(each for each in ensure_secrets_loaded() if type(each).__name__ == "AzureKeyVaultBackend")
assert backend.get_variable("none") is None
print("ok misses")

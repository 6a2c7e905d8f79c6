"""The settings of a node and of the command line, and the only place that reads the environment."""

from holdfast.config.azure import AzureSettings, Identity
from holdfast.config.client import ClientSettings, client_variables
from holdfast.config.contexts import Context, Contexts
from holdfast.config.draft import Draft, read_draft
from holdfast.config.environment import Variable, own
from holdfast.config.settings import Settings, variables
from holdfast.config.source import SourceSettings, source_variables, state_dir

__all__ = [
    "AzureSettings",
    "ClientSettings",
    "Context",
    "Contexts",
    "Draft",
    "Identity",
    "Settings",
    "SourceSettings",
    "Variable",
    "client_variables",
    "own",
    "read_draft",
    "source_variables",
    "state_dir",
    "variables",
]

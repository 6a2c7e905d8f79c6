"""The settings of a node and of the command line, and the only place that reads the environment."""

from holdfast.config.client import ClientSettings, Logins, client_variables
from holdfast.config.environment import Variable
from holdfast.config.settings import Settings, variables

__all__ = ["ClientSettings", "Logins", "Settings", "Variable", "client_variables", "variables"]

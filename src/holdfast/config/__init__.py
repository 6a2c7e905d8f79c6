"""The settings of a node, and the only place that reads the environment."""

from holdfast.config.environment import Variable
from holdfast.config.settings import Settings, variables

__all__ = ["Settings", "Variable", "variables"]

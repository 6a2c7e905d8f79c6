"""The stateful models, run with other examples each time: ``make proof``."""

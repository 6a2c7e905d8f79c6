"""The installation as a whole: its health, its nodes, and what has to be done now and then."""

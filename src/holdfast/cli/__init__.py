"""The command line: ``holdfast``. It works in process, on the same data folder or database as the server."""

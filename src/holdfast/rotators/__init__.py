"""The built-in rotation handlers: each knows one kind of system whose credentials it rotates."""

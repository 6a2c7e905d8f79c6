"""A client of a running server: what the library offers, over its own API."""

"""The JSON documents of Holdfast's own API, to and from the domain. No I/O: servers and clients share it."""

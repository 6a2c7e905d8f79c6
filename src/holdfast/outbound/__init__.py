"""Messages to addresses that users name: which may be called at all, and how they are signed and sent."""

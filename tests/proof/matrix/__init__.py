"""The whole system's fault matrix: what must come of each operation under each fault, and what does."""

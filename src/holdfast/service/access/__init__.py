"""Who asks, what they may, and the one door through which they come."""

"""Rotation: phases that survive a crash, schedules, handlers, and who still uses the old credential."""

"""Telling people: what happened or comes near, whom to tell, and sending it until it is taken."""

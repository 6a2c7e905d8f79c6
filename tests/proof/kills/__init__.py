"""The kill loop: processes of an installation under load are killed again and again, each at a point with a name."""

"""What Holdfast can be asked: one row for each operation, and what is asked and answered, said once.

Routes, the description of the API, the remote client and the one door derive from these rows.
"""

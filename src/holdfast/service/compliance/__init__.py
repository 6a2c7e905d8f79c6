"""Evidence for compliance: what controls ask, and what this installation shows for it now."""

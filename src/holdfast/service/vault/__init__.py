"""Key Vault: asked with patience, told of every change in order, mirrored, and never silently overwritten."""

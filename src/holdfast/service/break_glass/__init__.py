"""Emergency access: asked for, agreed to by others, granted for a time, ended whatever happens to a node."""

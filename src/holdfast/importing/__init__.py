"""Moving in: secrets out of files, the environment and other stores, compared with what is here, then taken over."""

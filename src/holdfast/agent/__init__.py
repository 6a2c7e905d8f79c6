"""What runs next to an application, on its machine or in its pod, and gets it tokens: a managed identity endpoint."""

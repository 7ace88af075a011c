"""Notes: an example application."""

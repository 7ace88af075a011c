"""Vault: an example application."""

"""Endpoints of the HTTP service, one module per group."""

"""Serve the most LLM requests in time on an edge node."""

__version__ = "0.1.0"

"""Python SDK."""

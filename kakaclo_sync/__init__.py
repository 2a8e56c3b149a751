"""Blocking face."""

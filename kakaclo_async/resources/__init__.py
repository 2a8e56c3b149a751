"""The endpoints, a module for each area of the API."""

"""The endpoints: a module or folder for each area of the API."""

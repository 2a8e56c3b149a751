"""The shop: an app and its project in one."""

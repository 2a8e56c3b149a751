"""The commands for shops' files: orders in; listings, stock and tracking out."""

"""What the API speaks of: frozen attrs classes, a module for each subject."""

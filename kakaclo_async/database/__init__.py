"""What the mirror and the journal share: URLs, engines, errors, locks, migrations."""

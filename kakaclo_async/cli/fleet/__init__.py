"""Commands for a fleet: many shops, one worker or several."""

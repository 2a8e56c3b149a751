"""The settings of a fleet: what may stand in its files, how they are read and written, and where homes are."""

"""The cases, a module for each subject; `CASES` of a module are its cases."""

"""What a user would write instead: with other libraries, or by hand."""

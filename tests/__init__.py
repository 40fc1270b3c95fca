"""What everything is checked by; a package, so that no other that is installed is taken for it."""

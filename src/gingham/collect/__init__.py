"""Where images come from: the built-in sample, and the web."""

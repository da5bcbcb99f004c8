"""How good the classifier is, with intervals, and the report that says so."""

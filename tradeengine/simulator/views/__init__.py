"""Answers of the REST interface, built from the state."""

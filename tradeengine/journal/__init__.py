"""Commit log: the truth that everything else is made from."""

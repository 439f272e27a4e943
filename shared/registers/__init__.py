"""Registers: one document each, changed by compare-and-set alone."""

"""Audit: whether every copy says what the journal says."""

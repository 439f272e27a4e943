"""Limits of the whole account, held by many processes together."""

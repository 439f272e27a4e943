"""Demonstration: example strategies, made-up prices for them to trade on, and a newcomer's first input."""

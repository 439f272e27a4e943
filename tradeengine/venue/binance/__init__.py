"""Binance USD-M futures as a venue, through python-binance."""

"""Public market data of the exchange: history to files, trading rules, and prices as they come. No key is needed."""

"""The paper exchange: a matching core driven by recorded bars or by posted prices, and the venue over it."""

"""The border to an exchange: the Protocol, the gateway and one module per venue."""

"""A wire-compatible Binance USD-M futures exchange for one account: a pure state machine behind HTTP and WebSocket."""

"""The running engine: intake, shard loop, supervision and reconciliation."""

"""Leases: which process works on which shard, and for how long it may count on that."""

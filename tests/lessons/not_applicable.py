"""Lessons that cannot apply to this design, or that belong to a part that is not built yet, each with the reason."""

NOT_APPLICABLE = {
    "I57": (
        "no route cancels a single order, so there is no fallback that could confuse ids: the engine alone cancels its "
        "orders, conditional ones at algoOrder (I43)"
    ),
    "I77": (
        "the engine hears no heartbeat yet, so none can be misread: the subject cio.heartbeat, with all that follows "
        "from it, belongs to a later part; locks are leases (I76)"
    ),
    "I90": (
        "without the heartbeat of I77 there is no restricted mode that a restart could lose; a symbol's halt "
        "is in the journal and survives"
    ),
    "I104": (
        "no data service stands between engine and store that could hide a document's id: the journal is read back by "
        "its own key, shard and sequence (I96)"
    ),
}

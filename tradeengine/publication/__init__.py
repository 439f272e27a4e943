"""Publication: execution events and alerts, made from committed records and published as often as it takes."""

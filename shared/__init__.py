"""What every process needs: settings, clock, logging, telemetry, health and database clients."""

"""What every process needs: settings, clock, logging, telemetry, health and database clients."""

from shared.cancellation import mend

# Before any library takes the function over by name.
mend()

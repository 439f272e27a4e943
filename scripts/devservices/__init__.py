"""Real servers for development and tests: nats-server, MariaDB, a MongoDB wire-protocol server, toxiproxy.

All listen on loopback only, on ports of their own, with throw-away data. ``scripts/services`` is the command line;
``tests/support/services.py`` starts them for tests.
"""

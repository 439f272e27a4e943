"""What crosses the border of a process: signals, orders, events, API shapes and subjects."""

"""Observability as code: the table of metrics and the dashboards, and the programs that check them."""

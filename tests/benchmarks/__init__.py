"""Benchmarks: what the engine costs, beside a reference measured in the same run.

Run them with ``python -m tests.benchmarks``; ``--help`` says more. A round measures subject and reference one after the
other, and rounds repeat, so that what else the machine does falls on both. Quote ratios rather than times.
"""

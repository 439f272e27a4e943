"""Safety mutants: each takes out one thing that protects money, and names the tests that must notice.

``python -m tests.mutants`` (``make mutants``) copies the working tree, takes one safety out of the copy at a time, and
runs the tests named. A mutant that survives is a promise that nothing holds.
"""

"""The whole path at every point where it may break: journal, leases, both copies and the exchange.

An engine works through a script on a real MongoDB, a real MySQL and the simulated exchange, in virtual time. Every
command that it sends to any of them has a number and a fate: the process dies before it, or after it, or the answer is
lost, or the process stands still in front of it while another takes its place. In the end all must be equal.
"""

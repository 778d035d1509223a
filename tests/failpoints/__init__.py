"""A process dies, fails or freezes at each of the 21 failpoints, on both sets; nothing is lost, nothing is sent twice.

A scenario is a point, what happens there, and a set. All scenarios of a module start side by side, because each mostly
waits (for a lease, a settle time, a restart); one test each then looks at what became of it.
"""

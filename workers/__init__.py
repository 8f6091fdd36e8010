"""Yidan at work: the pure adjudication, the settlement workers around it, and their command line."""

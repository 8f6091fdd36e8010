"""Deterministic simulation: the worker that ships, on a broker and a store in memory, in virtual time.

One seed is one world: three workers, a small county, and everything going wrong that the seed decides. Nothing of the
worker is replaced but its sockets: the loop of `workers.worker`, the seats, take-over, replay, turn and commit, the
pipeline with the shipped packs, and all of `workers.kafka` run on clients that behave as aiokafka's do.
"""

"""The room of faust: what desks of funds and finance see, derived from payouts and rebuildable at any time.

Nothing here takes part in the commit protocol. `ops/decisions/0017-views-are-derived.md` says why it is so.
"""

"""From records to payouts: decode, load, adjudicate, emit, commit."""

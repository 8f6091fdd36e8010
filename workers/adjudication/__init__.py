"""Who owes what for one bill: pure, exact, the same input always gives the same bytes."""

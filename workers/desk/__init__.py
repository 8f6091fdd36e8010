"""What a desk may ask of a person's year, and what it may try before anything is sent. It never writes to the state."""

"""A run as one page that opens anywhere: what it was, what it shows, what can be heard."""

"""Audio out: marked text spoken so that its markers can be heard (`speak`), and a check by listening (`listen`)."""

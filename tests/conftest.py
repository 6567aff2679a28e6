"""What every test of the package shares."""

"""What every test of the package shares."""

from hypothesis import settings

settings.register_profile("shared_machine", deadline=None)  # how long an example takes says nothing on a busy machine
settings.load_profile("shared_machine")

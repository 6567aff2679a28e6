"""Many runs of one notebook: the file that asks for them, their processes, and the table of what they found."""

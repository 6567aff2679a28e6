"""Many recordings: found in a folder, heard in parallel, each once, with a profile and a dataset a speaker.

`process.process` does it all, by any `concurrent.futures.Executor`: processes (`workers`), a Dask cluster (`cluster`).
"""

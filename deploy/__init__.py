"""The one-machine stack: Valkey, housekeeper, worker and API as children of one process.

`python -m deploy.local` (what `make run` calls) reads from the outside in:

- `__main__`: settings and flags in, an exit code out
- `local`: the stack's life, from the checks before anything starts to the last line
- `claims`: a data folder and a port that no one else uses
- `sample`: one edit through the public API, as any client would make it
- `supervisor`, `child`: processes kept alive and stopped in order; they know nothing of BARET
- `valkey`: the embedded server's program and configuration
- `errors`: what can go wrong, in words for the person at the terminal
"""

"""The one-machine stack: Valkey, housekeeper, worker and API as child processes of one process.

`python -m deploy.local` (which `make run` calls) reads from the outside in:

- `__main__`: settings and flags in, an exit code out
- `stack`: the stack's life, from the checks before the start to the last line
- `preflight`: locks the data folder and checks the port
- `sample`: one edit through the public API, as any client would make it
- `supervisor`, `process`: keep processes alive and stop them in order; they know nothing of BARET
- `valkey`, `ports`: the embedded server's program, configuration and port
- `errors`: what can go wrong, in words for the person at the terminal
"""

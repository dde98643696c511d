"""`python -m worker`: the GPU process, as the settings say."""

from jobs.settings import Settings
from worker.service import Parts, serve

if __name__ == "__main__":
    serve(Settings(), Parts())

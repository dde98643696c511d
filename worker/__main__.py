"""`python -m worker`: the GPU process, as the settings say."""

from core.settings import Settings
from worker.process import Parts, serve

if __name__ == "__main__":
    serve(Settings(), Parts())

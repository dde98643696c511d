"""Run the GPU process with the settings of the environment: `python -m worker`."""

from core.settings import Settings
from worker.process import Factories, serve

if __name__ == "__main__":
    serve(Settings(), Factories())

"""Run the GPU process with the settings of the environment: `python -m worker`."""

from core.settings import read_settings
from worker.process import Factories, serve

if __name__ == "__main__":
    about = "Load one model, keep it in memory, and run the edits that wait for it."
    serve(read_settings("worker", about), Factories())

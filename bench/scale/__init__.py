"""A simulation of workers that a scaling rule starts and stops."""

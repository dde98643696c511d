"""Deployment: the one-machine stack (`deploy.local`) and the images' pinned requirements."""

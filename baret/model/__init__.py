"""A Stable Diffusion, loaded from a folder, a file or a hub."""

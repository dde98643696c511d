"""A Stable Diffusion: found, checked, loaded, and used for texts, latents and noise."""

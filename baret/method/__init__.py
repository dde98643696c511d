"""The paper: inversion, transition, balanced denoising, and what is kept of the photo."""

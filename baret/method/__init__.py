"""The paper: inversion, transition and balanced denoising, and how the rest of a photo is kept."""

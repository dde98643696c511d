"""Trains the bundled Stable Diffusion from scratch: `python -m zoo.train --help`.

options     the options of a run
run         the stages in order; a stage is skipped if its result is in the run's folder
pictures    renders of the world and their labels
rendering   the processes that render them
judge       the attribute classifier that later judges generated pictures
vae         pictures to latents and back
latents     all pictures, encoded
tokenizer   every word of the world as one token
denoiser    UNet and text encoder, trained together
growing     starts a UNet for larger latents from one for smaller latents
precision   the number format of a training step's products
compiling   torch.compile, with a workaround for one of its bugs
loop        steps, averaged weights, checkpoints and log of judge, VAE and denoiser
draws       randomness from seed, stage and step alone, so that a resumed run is the same run
files       atomic writes
sampling    generates pictures from captions and judges them
figures     contact sheets and curves
card        the model card
export      the diffusers folder
"""

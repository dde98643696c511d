"""Training the bundled Stable Diffusion from nothing: `python -m zoo.train --help`.

options     what can be set
run         the stages in order, each skipped when its result lies in the run's folder
pictures    renders of the world and their labels
rendering   the processes that draw them
judge       the attribute classifier that later says whether a picture is right
vae         pictures to latents and back
latents     all pictures, encoded
tokenizer   every word of the world as one token
denoiser    UNet and text encoder, trained together
growing     a UNet for larger latents from one for smaller ones
precision   what a step's products are computed in
compiling   torch.compile, around an error of its
loop        steps, average, checkpoints, log: what judge, VAE and denoiser share
draws       randomness as a function of seed, stage and step, so that a resumed run is the same run
files       writes that are whole or not there
sampling    pictures from captions, judged
figures     contact sheets and curves
card        the model card
export      the diffusers folder
"""

"""One call of the UNet: what is requested, which rows attend to which, and its prediction."""

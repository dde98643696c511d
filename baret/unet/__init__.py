"""One call of the UNet: its rows and texts, which rows attend to which, and its prediction."""

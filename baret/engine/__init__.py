"""Many edits on one device: their requests share calls of the UNet."""

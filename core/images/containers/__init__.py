"""What a file says about its image, read without a codec: one module per container."""

"""Images from and for callers: inspection, decoding, storage, provenance and signed URLs."""

"""The published methods that BARET is compared with, each written from its paper."""

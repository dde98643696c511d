"""The published methods that BARET is measured against, each written from its paper."""

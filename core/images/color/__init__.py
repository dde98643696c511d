"""Colours as ICC profiles: whatever a file says of them becomes one, so all take one path."""

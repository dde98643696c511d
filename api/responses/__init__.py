"""What is sent back: an edit, a page of edits, an event stream, an image."""

"""The process that does what must happen even if no worker or client acts. Needs no torch.

maintenance   edits of lost workers, lost messages, expired edits, images to delete
dispatcher    claims due webhooks and sends many at once
sender        one attempt at a webhook (Standard Webhooks)
retry         when a webhook is tried again
payload       a webhook's body
"""

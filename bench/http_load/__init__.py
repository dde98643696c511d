"""What the service's front door costs: its API and a real Valkey, with no worker behind them.

command    the command: what is measured in which order
running    the service, started and stopped
pictures   JPEGs to send
timing     what many times come to
load       clients that ask again as soon as they are answered
streams    event streams: how soon all of them hear, and what they hold in memory
probe      whether the event loop stays free while large pictures are decoded
report     the page and the JSON
"""

"""The cost of HTTP requests: the API and a real Valkey under load, without a worker.

command    the command line
service    the API and Valkey, started and stopped
images     JPEGs to send
latency    summaries of latencies
load       clients that send requests back to back
streams    event streams: how fast events arrive, and the memory they take
probe      whether the event loop stays free while large images are decoded
report     the page and the JSON
"""

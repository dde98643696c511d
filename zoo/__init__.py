"""The small world of the bundled model, in which the right answer to every edit is known.

scene      what a picture shows, as a record
captions   what it is called: the canonical wording and those of users
drawing    parts that figures are drawn from
poses      where a pose puts an animal's joints
animals    the animals in plain shapes · quadrupeds, birds: in detail, from 96 pixels on
places     sky, ground and what stands there · scenery: in detail
render     scene → picture; two scenes → the pixels that an edit between them changes
split      who may see which scenes
edits      the benchmark's edits and those that settings are found on
samples/   ten pictures with a target text each and the exact answer; `index.json`
"""

"""The small world of the bundled model, where every edit has a known exact answer.

scene      what a picture shows, as a record
captions   captions of a scene: the canonical one, and wordings that users might choose
drawing    the parts that make up a figure
poses      where a pose puts an animal's joints
animals    animals in plain shapes · quadrupeds, birds: in detail, from 96 pixels on
places     sky, ground and what stands on it · scenery: the same in detail
render     scene → picture; two scenes → the pixels that differ
split      which scenes serve training, validation, tuning, benchmark and samples
edits      edits for the benchmark and for tuning settings
samples/   ten pictures, each with a target text and the exact answer; `index.json`
"""

#!/bin/sh
# Speed on a CUDA device: that the GPU gives the CPU's pictures, then how fast it does.
#
#   bench/speed_on_gpu.sh [FOLDER]
#
# FOLDER ($OUT by default, without it docs/benchmarks) receives a page and a JSON file for the zoo
# and for Stable Diffusion 1.5's architecture with random weights in bfloat16 and in float16. Each
# is written again after every section, so a limit on time loses one section at most. It has not
# been run on a GPU yet.
set -eu
cd "$(dirname "$0")/.."
out=${1:-${OUT:-docs/benchmarks}}
python=${PYTHON:-python3}
$python -m pytest tests/baret/test_gpu.py -m gpu -q
$python -m bench.speed --model zoo --device cuda --out "$out"
for dtype in bfloat16 float16; do
  $python -m bench.speed --model sd15-random --device cuda --dtype "$dtype" \
    --size 512 --steps 50 --inner-steps 3 --out "$out"
done

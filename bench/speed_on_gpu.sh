#!/bin/sh
# Checks that the GPU gives the same images as the CPU, then measures the speed on the GPU.
#
#   bench/speed_on_gpu.sh [FOLDER]
#
# FOLDER ($OUT by default, or docs/benchmarks) receives a page and a JSON file for the zoo and for the
# architectures of Stable Diffusion 1.5 and XL with random weights, in bfloat16 and in float16. Both
# files are written after every section, so a time limit loses at most one section.
set -eu
cd "$(dirname "$0")/.."
out=${1:-${OUT:-docs/benchmarks}}
python=${PYTHON:-python3}
$python -m pytest tests/baret/test_gpu.py -m gpu -q
$python -m bench.speed --model zoo --device cuda --out "$out"
for dtype in bfloat16 float16; do
  $python -m bench.speed --model sd15-random --device cuda --dtype "$dtype" \
    --size 512 --steps 20 --inner-steps 8 --out "$out"
  $python -m bench.speed --model sdxl-random --device cuda --dtype "$dtype" \
    --size 1024 --steps 20 --inner-steps 8 --sections stages,ratios --repeats 2 --out "$out"
done

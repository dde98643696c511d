#!/bin/sh
# The zoo on a CUDA device: the model at 128×128, trained, drawn and judged.
#
#   bench/zoo_on_gpu.sh [FOLDER]
#
# Every stage goes on where an earlier call was stopped (Ctrl-C or SIGTERM), so under a limit on time
# call it again. FOLDER, build/zoo128 by default, holds checkpoints, sheets and curves; FOLDER/model
# is the diffusers folder. It has not been run on a GPU yet: the numbers of steps are a guess.
set -eu
cd "$(dirname "$0")/.."
out=${1:-build/zoo128}
python=${PYTHON:-python3}
$python -m zoo.train --out "$out" --device cuda --size 128 --pictures 100000 \
  --judge-batch 512 --judge-steps 1500 --vae-batch 64 --vae-steps 12000 \
  --denoiser-batch 256 --denoiser-steps 24000 --compile --checkpoint-seconds 60
$python -m pytest tests/baret/test_gpu.py -m gpu -q

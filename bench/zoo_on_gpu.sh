#!/bin/sh
# The zoo's model at 128×128 on an accelerator: rendered, trained, drawn and judged.
#
#   bench/zoo_on_gpu.sh [FOLDER [OPTIONS OF zoo.train]]
#
# Every stage continues where an earlier call stopped (Ctrl-C or SIGTERM): under a time limit, call it
# again. FOLDER, build/zoo128 by default, gets checkpoints, sheets and curves; FOLDER/model is the
# diffusers folder. Later options win over those below:
#
#   --compile                  compiles the training steps (minutes at the start of each stage)
#   --init zoo/checkpoints/zoo128   starts from these weights instead of from nothing
#   --device cpu --size 32 …   a rehearsal without an accelerator
#
# The steps are meant for about 25 minutes on one H100 with 16 CPU cores: 2 for the pictures, 1 for
# the judge, 5 for the VAE, 15 for the denoiser. That is an estimate: no GPU has run it yet.
set -eu
cd "$(dirname "$0")/.."
out=${1:-build/zoo128}
[ $# -eq 0 ] || shift
python=${PYTHON:-python3}
$python -m zoo.train --out "$out" --device cuda --dtype bfloat16 --pictures 100000 \
  --judge-batch 512 --judge-steps 800 \
  --vae-batch 256 --vae-crop 64 --vae-steps 8000 \
  --denoiser-batch 256 --denoiser-rate 1e-3 --denoiser-steps 14000 \
  --checkpoint-seconds 120 --sheet-seconds 300 "$@"
case " $* " in
*" --device "*) ;; # a rehearsal
*) $python -m pytest tests/baret/test_gpu.py -m gpu -q ;;
esac

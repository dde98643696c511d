#!/bin/sh
# The zoo's model at 128×128 on an accelerator: rendered, trained, drawn and judged.
#
#   bench/zoo_on_gpu.sh [FOLDER [OPTIONS OF zoo.train]]
#
# Every stage continues where an earlier call stopped (Ctrl-C or SIGTERM): under a time limit, call it
# again. FOLDER, build/zoo128 by default, gets checkpoints, sheets and curves; FOLDER/model is the
# diffusers folder. The VAE needs few pictures: it is trained on those in FOLDER/first, while the CPU
# renders the others. Later options win over those below:
#
#   --compile                  compiles the training steps (minutes at the start of each stage)
#   --init baret/models/zoo    starts from these weights instead of from nothing
#   --device cpu --size 32 …   a rehearsal without an accelerator
#
# On one H100 with 16 CPU cores: 12,000 pictures in 13 s, then 150,000 in 117 s while the VAE sees 4,400
# parts a second; UNet and text encoder 1,800 pictures a second. The GPU is mostly idle in the latter.
set -eu
cd "$(dirname "$0")/.."
out=${1:-build/zoo128}
[ $# -eq 0 ] || shift
python=${PYTHON:-python3}
train() { # FOLDER OPTIONS…
  folder=$1
  shift
  $python -m zoo.train --out "$folder" --device cuda --dtype bfloat16 --pictures 90000 \
    --judge-batch 512 --judge-steps 800 --vae-batch 256 --vae-seconds 210 \
    --denoiser-batch 256 --denoiser-rate 1e-3 --denoiser-seconds 700 \
    --checkpoint-seconds 120 --sheet-seconds 240 "$@"
}
first() { # STAGES
  train "$out/first" "$@" --pictures "${FIRST_PICTURES:-12000}" --stages $stages
}

stages=pictures first "$@"
python="nice -n 10 $python" train "$out" "$@" --stages pictures judge &
others=$!
trap 'kill $others 2>/dev/null || true' EXIT
stages=vae first "$@"
wait $others
trap - EXIT
if ! [ -d "$out/vae" ]; then
  cp -r "$out/first/vae" "$out/vae"
  cat "$out/first/metrics.jsonl" >>"$out/metrics.jsonl"
fi
train "$out" "$@" --stages latents tokenizer denoiser figures export

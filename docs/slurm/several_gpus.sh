#!/bin/bash
# Fine-tune every layer of a trained Helixer model on all GPUs of one node.
#
#   export MODEL=land_plant.h5 DATA=data TEST=test_data.h5 OUT=whole.h5
#   sbatch docs/slurm/several_gpus.sh
#
# One process uses all GPUs that it sees, by JAX: --ntasks stays 1. See docs/devices.md.
#SBATCH --job-name=helixer-ft-gpus
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@300
#SBATCH --output=%x-%j.log

set -euo pipefail

# The environment with helixer-ft and its CUDA packages (pip install ".[cuda]" in its repository):
# source "$HOME/helixer-ft/bin/activate"

: "${MODEL:?the trained model}" "${DATA:?the data directory}" "${TEST:?held-out data}"
: "${OUT:?the file to write}"

# srun does not take this over from sbatch by itself
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"

# --batch-size counts the subsequences of a step on all GPUs together: here 8 on each. The
# learning rate follows it.
# --require-gpu ends the job where no GPU is seen, and says why, rather than train on the CPU.
srun helixer-ft whole \
    --backend jax \
    --require-gpu \
    --load-model-path "$MODEL" \
    --data-dir "$DATA" \
    --test-data "$TEST" \
    --save-model-path "$OUT" \
    --batch-size 32 \
    --resume

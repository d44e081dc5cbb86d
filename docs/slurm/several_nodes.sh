#!/bin/bash
# Fine-tune every layer of a trained Helixer model on the GPUs of several nodes.
#
#   export MODEL=land_plant.h5 DATA=data TEST=test_data.h5 OUT=whole.h5
#   sbatch docs/slurm/several_nodes.sh
#
# One task per node, which uses all GPUs of its node; the tasks find one another by SLURM's
# variables. All nodes read the same files. See docs/devices.md.
#SBATCH --job-name=helixer-ft-nodes
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
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

# JAX connects the tasks directly, which a web proxy would prevent
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY

# --batch-size counts the subsequences of a step on all GPUs of all nodes: here 8 on each. The
# learning rate follows it. The job ends with status 75 once its state is written: submit it again to
# resume, with as many nodes as you like.
# --require-gpu ends the job where no GPU is seen, and says why, rather than train on the CPU.
srun helixer-ft whole \
    --backend jax \
    --require-gpu \
    --load-model-path "$MODEL" \
    --data-dir "$DATA" \
    --test-data "$TEST" \
    --save-model-path "$OUT" \
    --batch-size 64 \
    --resume

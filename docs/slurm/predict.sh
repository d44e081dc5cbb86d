#!/bin/bash
# Predict a large genome on several GPUs or nodes, with a trained Helixer model.
#
#   export MODEL=whole.h5 FASTA=genome.fa.gz OUT=predictions.h5
#   sbatch docs/slurm/predict.sh
#
# Each task predicts a share of the genome on its own GPU; the tasks find one another by SLURM's
# variables, and the first one writes the file. All nodes must see the folder of OUT. See
# docs/devices.md.
#SBATCH --job-name=helixer-ft-predict
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=64G
#SBATCH --time=08:00:00
#SBATCH --signal=USR1@300
#SBATCH --output=%x-%j.log

set -euo pipefail

# The environment with helixer-ft and its CUDA packages (pip install ".[cuda]" in its repository):
# source "$HOME/helixer-ft/bin/activate"

: "${MODEL:?the trained model}" "${FASTA:?the genome}" "${OUT:?the file to write}"

# srun does not take this over from sbatch by itself
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"

# JAX connects the tasks directly, which a web proxy would prevent
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY

# The subsequence length is that for land plants: 21384 for fungi, 213840 for animals. Status 75: time
# was over, and what was predicted is kept; submit it again, with as many tasks as you like.
# --require-gpu ends the job where no GPU is seen, and says why, rather than predict on the CPU.
srun helixer-ft predict \
    --backend jax \
    --require-gpu \
    --load-model-path "$MODEL" \
    --fasta "$FASTA" \
    --subsequence-length 64152 \
    --prediction-output-path "$OUT" \
    --resume

#!/bin/bash
# Fine-tune every layer of a trained Helixer model on one GPU.
#
#   export MODEL=land_plant.h5 DATA=data TEST=test_data.h5 OUT=whole.h5
#   sbatch docs/slurm/whole.sh
#
# DATA holds training_data*h5 and validation_data*h5; TEST is held-out labelled data.
# Adapt time, memory and, where your site asks for them, partition and account.
#SBATCH --job-name=helixer-ft-whole
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=32G
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

# Five minutes before its time limit the job writes its state and ends with status 75: submit it
# again, with the same variables, to resume. (srun makes helixer-ft a step, which --signal reaches.)
# A smaller --batch-size with --accumulate needs less GPU memory.
# --require-gpu ends the job where no GPU is seen, and says why, rather than train on the CPU.
srun helixer-ft whole \
    --require-gpu \
    --load-model-path "$MODEL" \
    --data-dir "$DATA" \
    --test-data "$TEST" \
    --save-model-path "$OUT" \
    --resume

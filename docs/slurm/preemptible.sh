#!/bin/bash
# Fine-tune every layer of a trained Helixer model in a queue whose jobs are interrupted: the job
# goes back into the queue by itself and resumes, with the same result as if uninterrupted.
#
#   export MODEL=land_plant.h5 DATA=data TEST=test_data.h5 OUT=whole.h5
#   sbatch --partition=preemptible docs/slurm/preemptible.sh
#
# The time limit may be short: the next run of the job continues. For several nodes: --nodes and
# --ntasks-per-node as in several_nodes.sh.
#SBATCH --job-name=helixer-ft-preemptible
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=32G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=USR1@120
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log

set -euo pipefail

# The environment with helixer-ft and its CUDA packages (pip install ".[cuda]" in its repository):
# source "$HOME/helixer-ft/bin/activate"

: "${MODEL:?the trained model}" "${DATA:?the data directory}" "${TEST:?held-out data}"
: "${OUT:?the file to write}"

# srun does not take this over from sbatch by itself
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"

# Two minutes before the time limit (--signal), and when the job is preempted (SIGTERM), the state
# is written and the status is 75. If the job is killed without a warning, the work since the last
# state is lost: at most --checkpoint-minutes.
status=0
# --require-gpu ends the job where no GPU is seen, and says why, rather than train on the CPU.
srun helixer-ft whole \
    --require-gpu \
    --load-model-path "$MODEL" \
    --data-dir "$DATA" \
    --test-data "$TEST" \
    --save-model-path "$OUT" \
    --checkpoint-minutes 5 \
    --resume || status=$?

if [ "$status" -eq 75 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"

#!/usr/bin/env bash
# Train under Slurm, one task per GPU.
#
#     [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=5] [SRUN_ARGS=...] \
#         tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [ARGS]
#
# Before it preempts a job Slurm sends SIGTERM: the step is finished and
# WORK_DIR/stopped.pth written. A job that it starts again (sbatch --requeue)
# goes on from there without --resume.
set -euo pipefail
if [ $# -lt 4 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG WORK_DIR [ARGS of" \
        "tools/train.py]" >&2
    exit 2
fi
PARTITION=$1 JOB_NAME=$2 CONFIG=$3 WORK_DIR=$4
. "$(dirname "${BASH_SOURCE[0]}")/slurm.sh"
slurm "$PARTITION" "$JOB_NAME" train.py "$CONFIG" --work-dir "$WORK_DIR" \
    --launcher slurm "${@:5}"

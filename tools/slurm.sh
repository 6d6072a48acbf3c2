# Sourced by slurm_train.sh and slurm_test.sh.
#
# slurm PARTITION JOB_NAME TOOL [ARGS]: run a tool of this folder by srun.
slurm() {
    local partition=$1 job_name=$2 tool=$3
    shift 3
    local gpus=${GPUS:-8} per_node=${GPUS_PER_NODE:-8}
    if [ "$gpus" -lt "$per_node" ]; then
        per_node=$gpus
    fi
    # unquoted: SRUN_ARGS is a list of arguments
    # shellcheck disable=SC2086
    exec srun -p "$partition" \
        --job-name="$job_name" \
        --gres=gpu:"$per_node" \
        --ntasks="$gpus" \
        --ntasks-per-node="$per_node" \
        --cpus-per-task="${CPUS_PER_TASK:-5}" \
        --kill-on-bad-exit=1 \
        ${SRUN_ARGS:-} \
        python -u "$(dirname "${BASH_SOURCE[0]}")/$tool" "$@"
}

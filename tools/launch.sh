# Sourced by dist_train.sh and dist_test.sh.
#
# launch NUM TOOL [ARGS]: run a tool of this folder in NUM processes.
launch() {
    local num=$1 tool=$2
    shift 2
    case $num in
        '' | *[!0-9]* | 0)
            echo "error: '$num' is no number of processes" >&2
            exit 2
            ;;
    esac
    local nnodes=${NNODES:-1} port=${PORT:-}
    if [ -z "$port" ]; then
        if [ "$nnodes" -gt 1 ]; then
            port=29500 # the nodes must agree on it
        else
            port=$(python -c 'import socket
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    print(s.getsockname()[1])')
        fi
    fi
    # torch would give each process a single thread
    local threads=$(($(getconf _NPROCESSORS_ONLN) / num))
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((threads > 0 ? threads : 1))}
    exec python -m projects.core.launch \
        --nnodes="$nnodes" \
        --node_rank="${NODE_RANK:-0}" \
        --master_addr="${MASTER_ADDR:-127.0.0.1}" \
        --master_port="$port" \
        --nproc_per_node="$num" \
        "$(dirname "${BASH_SOURCE[0]}")/$tool" "$@"
}

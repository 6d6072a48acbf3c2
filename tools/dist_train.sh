#!/usr/bin/env bash
# Train with several processes on this machine, one per GPU; without a GPU on
# the CPU. Several nodes: run it on each with NNODES, NODE_RANK, MASTER_ADDR
# and PORT set.
#
#     tools/dist_train.sh CONFIG NUM [ARGS of tools/train.py]
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG NUM [ARGS of tools/train.py]" >&2
    exit 2
fi
CONFIG=$1 NUM=$2
. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
launch "$NUM" train.py "$CONFIG" --launcher pytorch "${@:3}"

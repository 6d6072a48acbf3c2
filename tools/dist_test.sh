#!/usr/bin/env bash
# Test with several processes; see dist_train.sh for several nodes.
#
#     tools/dist_test.sh CONFIG CHECKPOINT NUM [ARGS of tools/test.py]
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT NUM [ARGS of tools/test.py]" >&2
    exit 2
fi
CONFIG=$1 CHECKPOINT=$2 NUM=$3
. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
launch "$NUM" test.py "$CONFIG" "$CHECKPOINT" --launcher pytorch "${@:4}"

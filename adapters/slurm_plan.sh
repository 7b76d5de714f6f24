#!/bin/bash
# Makes a plan with Slurm: an array of tasks for each round, each of which makes the share of its number.
#
#   adapters/slurm_plan.sh 16 scenarios/11-launch-day.yaml parts out/plan [options of `quotalab plan`]
#
# The folder of the parts must be the same on all nodes. A task that fails is named by the merge; run the command again, and only
# the missing shares are made. MaxArraySize bounds the number of shares (1,001 by default).
set -euo pipefail
shards=$1 scenario=$2 parts=$3 out=$4
shift 4
plan=("${QUOTALAB:-quotalab}" plan "$scenario" --yes "$@")
mkdir -p "$parts"
while :; do
    sbatch --wait --quiet --requeue --array="0-$((shards - 1))" --ntasks=1 --cpus-per-task="${CPUS:-1}" --output=/dev/null \
        --wrap="$(printf '%q ' "${plan[@]}" --quiet --shard env --out "$parts")" || echo "some tasks failed" >&2
    code=0
    "${plan[@]}" --merge "$parts" --out "$out" || code=$?
    [ "$code" = 4 ] || exit "$code" # 4: the shares of another round are to be made
done

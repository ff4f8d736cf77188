#!/usr/bin/env bash
# Paints a film on a Slurm cluster: submit.sh FILM SEGMENTS N OUT [what else `impasto file` takes]
#
# FILM, the folder SEGMENTS and OUT lie where every node sees them. $IMPASTO names the program if it is not in PATH.
# What Slurm is asked for, such as a partition or a time limit, is told by its own SBATCH_PARTITION, SBATCH_TIMELIMIT ...
set -euo pipefail
(($# >= 4)) || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
film=$(realpath "$1") segments=$(realpath "$2") count=$3 output=$(realpath "$4")
shift 4
here=$(dirname "$(realpath "$0")")
mkdir -p "$segments"

painting=$(sbatch --parsable --array="1-$count" --output="$segments/segment-%a.log" \
  "$here/segment.sbatch" "$film" "$segments" "$@")
joining=$(sbatch --parsable --dependency="afterok:$painting" --kill-on-invalid-dep=yes \
  --output="$segments/join.log" "$here/join.sbatch" "$segments" "$output" "$film")
echo "job $painting paints $count segments and job $joining joins them; what they say is in $segments/*.log"

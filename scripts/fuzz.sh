#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh TIME runs every fuzz test of the module for that long.
set -euo pipefail
time=${1:?say how long, such as 10s}

grep -rnE '^func Fuzz[A-Za-z0-9_]*\(' --include='*_test.go' . | sort |
	sed -E 's|^(.*)/[^/]*:[0-9]+:func (Fuzz[A-Za-z0-9_]*)\(.*|\1 \2|' |
	while read -r folder name; do
		echo "fuzz: $folder $name"
		# A minute of minimising each new input, the default, would leave no time to look for others.
		go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 1s "$folder" </dev/null
	done

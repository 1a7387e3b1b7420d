#!/usr/bin/env bash
. "$(dirname "$0")/../example.sh" example-limits
image confd-example:1

step "a container with a limit of 64 MiB"
docker run -d --name example-limits --label confd.app=example-limits --memory 64m confd-example:1 \
  sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'
before=$(inspect example-limits .Id)

step "what would happen, before anything does"
confctl set example-limits run/memory=$((65 + stamp % 64))m run/cpus=0.5 run/restart=unless-stopped --dry-run

step "more memory, half a CPU and a restart policy, in the running container"
confctl set example-limits run/memory=$((65 + stamp % 64))m run/cpus=0.5 run/restart=unless-stopped --wait
expect "memory" "$(inspect example-limits .HostConfig.Memory)" $(((65 + stamp % 64) * 1024 * 1024))
expect "CPUs, in billionths" "$(inspect example-limits .HostConfig.NanoCpus)" 500000000
expect "restart policy" "$(inspect example-limits .HostConfig.RestartPolicy.Name)" unless-stopped
expect "the same container" "$(inspect example-limits .Id)" "$before"

step "an option that the engine does not know is refused before it is stored"
confctl set example-limits run/memroy=1g && exit 1 || expect "exit code" $? 65

step "unset: the limit it was started with (all keys of the app go: --force)"
confctl unset example-limits run/memory run/cpus run/restart --force --wait
expect "memory" "$(inspect example-limits .HostConfig.Memory)" $((64 * 1024 * 1024))

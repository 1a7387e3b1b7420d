#!/usr/bin/env bash
# Debian's redis-server, unchanged: the image holds its packages, the settings hold how it runs.
. "$(dirname "$0")/../example.sh" example-redis
image confd-example-redis:1 --package redis-server --package redis-tools
redis() { docker exec example-redis redis-cli "$@"; }
ready() { [ "$(redis ping)" = PONG ]; }

step "redis with a volume, as anyone would start it"
docker run -d --name example-redis --label confd.app=example-redis -v /data confd-example-redis:1 \
  redis-server --dir /data --protected-mode no
confctl binding set example-redis "$(dirname "$0")/binding.json"
await "redis answers" ready

step "its arguments, memory limit and restart policy as settings: one change, one recreate"
confctl set example-redis redis/appendonly=yes redis/policy=allkeys-lru "redis/maxmemory=$((20 + stamp % 10))mb" \
  run/memory=128m run/restart=unless-stopped --wait
await "redis answers" ready
expect "maxmemory" "$(redis config get maxmemory | tail -1)" $(((20 + stamp % 10) * 1024 * 1024))
expect "memory limit" "$(inspect example-redis .HostConfig.Memory)" $((128 * 1024 * 1024))
expect "restart policy" "$(inspect example-redis .HostConfig.RestartPolicy.Name)" unless-stopped

step "data is stored; then an argument changes, which needs a new container"
redis set visits "$stamp" >/dev/null
before=$(inspect example-redis .Id)
confctl set example-redis "redis/maxmemory=$((40 + stamp % 10))mb" --wait
await "redis answers" ready
[ "$(inspect example-redis .Id)" != "$before" ]
expect "maxmemory" "$(redis config get maxmemory | tail -1)" $(((40 + stamp % 10) * 1024 * 1024))
expect "the data is still there" "$(redis get visits)" "$stamp"

step "more memory: the same container, redis is not interrupted"
before=$(inspect example-redis .State.Pid)
confctl set example-redis run/memory=$((192 + stamp % 64))m --wait
expect "memory limit" "$(inspect example-redis .HostConfig.Memory)" $(((192 + stamp % 64) * 1024 * 1024))
expect "the same process" "$(inspect example-redis .State.Pid)" "$before"

step "a value that redis does not accept: the old container comes back with its data"
confctl set example-redis redis/policy=no-such-policy --wait && exit 1 || expect "exit code" $? 3
await "redis answers" ready
expect "the data is still there" "$(redis get visits)" "$stamp"
confctl rollback example-redis --wait

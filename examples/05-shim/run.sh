#!/usr/bin/env bash
# The shim reaches the API through its socket: CONFD_SOCKETS is the folder with confd.sock, CONFD_TOKEN_FILE the token;
# without them those that confctl's own file names.
. "$(dirname "$0")/../example.sh" example-shim
named() { sed -n "s/^$1 = \"\(unix:\)\{0,1\}\(.*\)\"/\2/p" "${XDG_CONFIG_HOME:-$HOME/.config}/confd/config.toml" | head -1; }
sockets=${CONFD_SOCKETS:-$(dirname "$(named server)")}
token=${CONFD_TOKEN_FILE:-$(named token_file)}
[ -S "$sockets/confd.sock" ] && [ -f "$token" ] || { # docker would make folders of what is not there
  echo "there is no $sockets/confd.sock or no token file $token; set CONFD_SOCKETS and CONFD_TOKEN_FILE" >&2
  exit 1
}
image confd-example-shim:1 --python --shim

step "the image's command is run by confd-entrypoint, with the settings as variables"
confctl set example-shim "GREETING=hello-$stamp" run/memory=64m
docker run -d --name example-shim --label confd.app=example-shim --label confd.shim=http \
  -v "$sockets:/run/confd:ro" -v "$token:/run/confd-token:ro" \
  -e CONFD_SERVER=unix:/run/confd/confd.sock -e CONFD_TOKEN_FILE=/run/confd-token \
  -e CONFD_APP=example-shim -e "CONFD_ENV=$CONFD_ENV" confd-example-shim:1 \
  confd-entrypoint sh -c 'echo "$GREETING within $CONFD_LIMIT_MEMORY_BYTES bytes"; exec sleep 100000'
await "the app says hello" sh -c "docker logs example-shim | grep hello-$stamp"

step "the agent sees to the limit, in the same container"
before=$(inspect example-shim .Id)
confctl set example-shim run/memory=$((65 + stamp % 64))m --wait
expect "memory" "$(inspect example-shim .HostConfig.Memory)" $(((65 + stamp % 64) * 1024 * 1024))

step "a changed variable: the shim starts the process anew, in the same container"
confctl set example-shim "GREETING=good-day-$stamp"
await "the app says good day" sh -c "docker logs example-shim | grep good-day-$stamp"
docker logs --tail 1 example-shim
expect "the same container" "$(inspect example-shim .Id)" "$before"
expect "restarts that the engine saw" "$(inspect example-shim .RestartCount)" 0

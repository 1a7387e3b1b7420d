#!/usr/bin/env bash
# The five-minute demo on this machine: demo.sh up | down. Everything it starts stands under .demo/ and is taken
# away by `down`; containers and images of others are not touched.
set -euo pipefail
cd "$(dirname "$0")/.."

home=$PWD/.demo
port=${CONFD_DEMO_PORT:-8700}
image=confd-demo:1
names=(confd-demo-web confd-demo-api confd-demo-shim)
export XDG_CONFIG_HOME=$home/config
unset CONFD_SERVER CONFD_TOKEN CONFD_TOKEN_FILE CONFD_ENV

say() { printf '\n== %s\n' "$*"; }
die() { echo "demo: $*" >&2; exit 1; }
now() { date +%s%3N; }

engine() { # sets DOCKER_HOST to an engine that answers, or starts Debian's
  if [ -n "${DOCKER_HOST:-}" ]; then
    docker version >/dev/null 2>&1 || die "no engine answers at DOCKER_HOST=$DOCKER_HOST; unset it or start that engine"
    return
  fi
  if command -v docker >/dev/null && docker version >/dev/null 2>&1; then
    export DOCKER_HOST=unix:///var/run/docker.sock
    return
  fi
  scripts/need.sh docker
  say "starting a Docker Engine"
  scripts/engine.sh start "$home/engine"
  export DOCKER_HOST=unix://$home/engine/docker.sock
}

make_image() {
  docker image inspect "$image" >/dev/null 2>&1 && return
  say "making the image $image (busybox, python3 and confd-entrypoint; no registry)"
  scripts/image.sh "$image" --python --shim
}

server() {
  say "starting confd-server up (etcd, API and agent; data in .demo/data)"
  setsid .venv/bin/confd-server up --data "$home/data" --docker-host "$DOCKER_HOST" \
    --listen "127.0.0.1:$port" --listen "unix:$home/sockets/confd.sock" >"$home/log" 2>&1 &
  echo $! >"$home/server.pid"
  for _ in $(seq 60); do
    .venv/bin/confctl hosts 2>/dev/null | grep -q alive && return
    kill -0 "$(cat "$home/server.pid")" 2>/dev/null || { tail -5 "$home/log" >&2; die "the server ended"; }
    sleep 0.5
  done
  tail -5 "$home/log" >&2
  die "no agent reported; the log is $home/log"
}

timed() { # what command ...: runs it and tells the time it took
  local what=$1 began
  shift
  began=$(now)
  "$@"
  echo "   $what took $(($(now) - began)) ms"
}

said() { # container word: waits until its output has the word
  for _ in $(seq 600); do docker logs "$1" 2>/dev/null | grep -q "$2" && return; sleep 0.05; done
  docker logs "$1" >&2
  die "$1 did not say $2"
}

respawned() { # word
  .venv/bin/confctl set demo-shim "GREETING=$1" -e dev
  said confd-demo-shim "$1"
}

id_of() { docker inspect -f '{{printf "%.12s" .Id}}' "$1"; }

up() {
  scripts/setup.sh
  scripts/need.sh etcd
  mkdir -p "$home/etc"
  engine
  make_image
  [ -f "$home/server.pid" ] && kill -0 "$(cat "$home/server.pid")" 2>/dev/null || server
  docker rm -f "${names[@]}" >/dev/null 2>&1 || true
  echo "$DOCKER_HOST" >"$home/docker-host"
  local serve='trap "exit 0" TERM; while :; do sleep 0.2; done'
  local reload='trap "cat /etc/demo/app.json" HUP; trap "exit 0" TERM; while :; do sleep 0.2; done'
  docker run -d --name confd-demo-web --label confd.app=demo-web -e GREETING=hello "$image" sh -c "$serve" >/dev/null
  docker run -d --name confd-demo-api --label confd.app=demo-api -v "$home/etc:/etc/demo" "$image" sh -c "$reload" \
    >/dev/null

  say "1. a variable: a new container, the old one kept until the new one runs"
  echo "   before: $(docker exec confd-demo-web sh -c 'echo $GREETING') in container $(id_of confd-demo-web)"
  timed "the change" .venv/bin/confctl set demo-web "GREETING=hello, $(date +%T)" -e dev --wait 60s
  echo "   after:  $(docker exec confd-demo-web sh -c 'echo $GREETING') in container $(id_of confd-demo-web)"

  say "2. a key in a mounted file: the file is replaced, then the process gets HUP"
  cat >"$home/binding.json" <<'JSON'
{"variables": {"exclude": ["**"]}, "files": [{"path": "/etc/demo/app.json", "format": "json"}],
 "on_change": [{"keys": "**", "action": "signal", "signal": "HUP"}]}
JSON
  .venv/bin/confctl binding set demo-api "$home/binding.json" -e dev
  .venv/bin/confctl set demo-api log/level=info -e dev --wait 60s >/dev/null 2>&1
  said confd-demo-api info
  echo "   before: container $(id_of confd-demo-api) says: $(docker logs --tail 3 confd-demo-api 2>&1 | tr -d '\n')"
  timed "the change" .venv/bin/confctl set demo-api log/level=debug "log/at=$(date +%T)" -e dev --wait 60s
  said confd-demo-api debug
  echo "   after:  container $(id_of confd-demo-api) says: $(docker logs --tail 3 confd-demo-api 2>&1 | tr -d '\n')"

  say "3. a memory limit: changed in the running container"
  echo "   before: $(docker inspect -f '{{.HostConfig.Memory}}' confd-demo-web) bytes in $(id_of confd-demo-web)"
  timed "the change" .venv/bin/confctl set demo-web "run/memory=$((64 + RANDOM % 64))m" -e dev --wait 60s
  echo "   after:  $(docker inspect -f '{{.HostConfig.Memory}}' confd-demo-web) bytes in $(id_of confd-demo-web)"

  say "4. a variable through the shim: a new process in the same container, no engine call"
  docker run -d --name confd-demo-shim --label confd.app=demo-shim --label confd.shim=http \
    -v "$home/sockets:/run/confd:ro" -v "$home/data/api/token:/run/confd-token:ro" \
    -e CONFD_SERVER=unix:/run/confd/confd.sock -e CONFD_TOKEN_FILE=/run/confd-token -e CONFD_APP=demo-shim \
    -e CONFD_ENV=dev "$image" confd-entrypoint sh -c "echo process \$\$ says \$GREETING; exec sleep 100000" >/dev/null
  .venv/bin/confctl set demo-shim GREETING=hello -e dev >/dev/null
  said confd-demo-shim hello
  echo "   before: container $(id_of confd-demo-shim), $(docker logs --tail 1 confd-demo-shim 2>/dev/null)"
  local word
  word="good-day-$(date +%H%M%S)"
  timed "the change" respawned "$word"
  echo "   after:  container $(id_of confd-demo-shim), $(docker logs --tail 1 confd-demo-shim 2>/dev/null)"

  say "all of it is still running; try"
  cat <<WORDS
   export XDG_CONFIG_HOME=$home/config DOCKER_HOST=$DOCKER_HOST PATH=$PWD/.venv/bin:\$PATH
   confctl explain demo-web GREETING -e dev
   confctl history demo-web -e dev
   confctl set demo-web run/memory=96m LOG_LEVEL=debug -e dev --dry-run
   confctl rollback demo-web -e dev --wait
   confctl status demo-web -e dev
   make demo-down        # takes all of this away
WORDS
}

end() { # pid file: end the process and wait for it
  [ -f "$1" ] || return 0
  local pid
  pid=$(cat "$1")
  kill "$pid" 2>/dev/null || return 0
  for _ in $(seq 200); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
  echo "demo: process $pid does not end; killing it" >&2
  kill -9 "$pid" 2>/dev/null || true
}

down() {
  [ -d "$home" ] || { echo "demo: nothing is running"; return; }
  [ -f "$home/docker-host" ] && DOCKER_HOST=$(cat "$home/docker-host") && export DOCKER_HOST
  end "$home/server.pid"
  docker rm -f "${names[@]}" >/dev/null 2>&1 || true
  docker rmi "$image" >/dev/null 2>&1 || true
  [ ! -d "$home/engine" ] || scripts/engine.sh stop "$home/engine"
  rm -rf "$home"
  echo "demo: taken away"
}

case "${1:-}" in
  up) up ;;
  down) down ;;
  *) echo "usage: demo.sh up | down" >&2; exit 64 ;;
esac

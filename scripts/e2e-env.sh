#!/usr/bin/env bash
# A private etcd and a private Docker Engine for work by hand and for bench/: e2e-env.sh up | down.
# Both stand under .e2e/ with ports, sockets and data of their own. (The tests start such a pair for themselves: they
# kill and freeze theirs.)
set -euo pipefail
cd "$(dirname "$0")/.."
home=$PWD/.e2e

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

alive() { [ -f "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

start_etcd() {
  local port peer
  port=$(free_port)
  peer=$(free_port)
  setsid etcd --data-dir "$home/etcd" --listen-client-urls "http://127.0.0.1:$port" \
    --advertise-client-urls "http://127.0.0.1:$port" --listen-peer-urls "http://127.0.0.1:$peer" \
    --initial-advertise-peer-urls "http://127.0.0.1:$peer" --initial-cluster "default=http://127.0.0.1:$peer" \
    </dev/null >"$home/etcd.log" 2>&1 &
  echo $! >"$home/etcd.pid"
  for _ in $(seq 80); do
    ETCDCTL_API=3 etcdctl --endpoints "127.0.0.1:$port" endpoint health >/dev/null 2>&1 && break
    alive "$home/etcd.pid" || { tail -5 "$home/etcd.log" >&2; exit 1; }
    sleep 0.25
  done
  echo "export CONFD_ETCD=127.0.0.1:$port" >"$home/env"
}

up() {
  scripts/need.sh etcd docker
  if ! alive "$home/etcd.pid" || ! alive "$home/engine/pid"; then
    down
    mkdir -p "$home"
    echo "starting etcd and a Docker Engine under .e2e/"
    start_etcd
    scripts/engine.sh start "$home/engine" "confd-e2e-$$"
    echo "export DOCKER_HOST=unix://$home/engine/docker.sock" >>"$home/env"
    DOCKER_HOST=unix://$home/engine/docker.sock scripts/image.sh confd-test:1
  fi
  echo "running; the image confd-test:1 (busybox) is there. In your shell (or: . .e2e/env):"
  cat "$home/env"
}

down() {
  [ -d "$home" ] || return 0
  if [ -d "$home/engine" ]; then
    local host=unix://$home/engine/docker.sock
    docker -H "$host" ps -aq 2>/dev/null | xargs -r docker -H "$host" rm -fv >/dev/null 2>&1 || true
    scripts/engine.sh stop "$home/engine"
  fi
  if alive "$home/etcd.pid"; then
    kill "$(cat "$home/etcd.pid")"
    while alive "$home/etcd.pid"; do sleep 0.1; done
  fi
  rm -rf "$home"
}

case "${1:-}" in
  up) up ;;
  down) down && echo "taken away" ;;
  *) echo "usage: e2e-env.sh up | down" >&2; exit 64 ;;
esac

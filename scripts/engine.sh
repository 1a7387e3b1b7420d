#!/usr/bin/env bash
# A Docker Engine of our own: engine.sh start FOLDER [NAMESPACE] | stop FOLDER.
# Its data, socket, process id and log stand in FOLDER. With NAMESPACE it runs in a network namespace of that name,
# which is made and taken away, so that a second engine of the machine keeps its bridge.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin

die() { echo "engine: $*" >&2; exit 1; }

alive() { kill -0 "$1" 2>/dev/null; }

left() { # the mounts that the engine leaves behind: its data's own, and a namespace for --network host; inner ones first
  awk -v "folder=$(realpath "$1")/" 'index($5, folder) == 1 {print $5}' /proc/self/mountinfo | sort -r
}

start() {
  local folder=$1 namespace=${2:-} enter=()
  mkdir -p "$folder"
  if [ -n "$namespace" ]; then
    ip netns add "$namespace"
    ip -n "$namespace" link set lo up
    echo "$namespace" >"$folder/namespace"
    enter=(nsenter "--net=/var/run/netns/$namespace") # `ip netns exec` would hide the cgroups
  fi
  setsid "${enter[@]}" dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" \
    -H "unix://$folder/docker.sock" </dev/null >"$folder/log" 2>&1 &
  local process=$!
  for _ in $(seq 120); do
    docker -H "unix://$folder/docker.sock" version >/dev/null 2>&1 && return
    alive "$process" || break
    sleep 0.25
  done
  tail -5 "$folder/log" >&2
  die "it did not start; its log is $folder/log"
}

stop() {
  local folder=$1 pid
  if [ -f "$folder/pid" ]; then
    pid=$(cat "$folder/pid")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 600); do alive "$pid" || break; sleep 0.1; done
    ! alive "$pid" || die "process $pid does not end; see $folder/log"
  fi
  left "$folder" | while read -r mount; do umount "$mount"; done
  [ ! -f "$folder/namespace" ] || ip netns delete "$(cat "$folder/namespace")"
  rm -rf "$folder"
}

case "${1:-}" in
  start) start "$2" "${3:-}" ;;
  stop) stop "$2" ;;
  *) echo "usage: engine.sh start FOLDER [NAMESPACE] | stop FOLDER" >&2; exit 64 ;;
esac

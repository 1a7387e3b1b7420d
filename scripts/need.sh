#!/usr/bin/env bash
# Makes sure that the named services' programs are installed: `need.sh etcd docker`. Starts nothing.
set -euo pipefail

have() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null; }

install() { # what package ...
  local what=$1
  shift
  if [ "$(id -u)" != 0 ] || ! have apt-get; then
    echo "$what is missing; install it (Debian: apt-get install $*) and run this again" >&2
    exit 1
  fi
  echo "installing $what ($*)"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

for what in "$@"; do
  case "$what" in
    etcd) have etcd && have etcdctl || install etcd etcd-server etcd-client ;;
    docker)
      have dockerd || install "the Docker Engine" docker.io iptables
      have ip || install iproute2 iproute2
      have docker-compose || install Compose docker-compose
      [ -x /bin/busybox ] || install busybox busybox-static
      ;;
    *) echo "need.sh: unknown: $what" >&2; exit 64 ;;
  esac
done

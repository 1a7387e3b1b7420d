# What every example does first: `. "$(dirname "$0")/../example.sh" CONTAINER ...` names the containers it starts.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=$root/.venv/bin:$PATH
export CONFD_ENV=${CONFD_ENV:-dev}
containers=("$@")
stamp=$(date +%s)

step() { printf '\n== %s\n' "$*"; }

expect() { # what, is, should be
  [ "$2" = "$3" ] || { echo "$1: expected '$3', got '$2'" >&2; exit 1; }
  echo "   $1: $2"
}

await() { # what command ...: until the command succeeds, at most 30 s
  local what=$1 until=$((SECONDS + 30))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || { echo "$what: it did not happen within 30 s" >&2; exit 1; }
    sleep 0.05
  done
}

inspect() { docker inspect -f "{{$2}}" "$1"; }

image() { # name arguments ...: made once
  docker image inspect "$1" >/dev/null 2>&1 || "$root/scripts/image.sh" "$@"
}

away() { [ -n "${KEEP:-}" ] || docker rm -fv "${containers[@]}" >/dev/null 2>&1 || true; }

docker rm -fv "${containers[@]}" >/dev/null 2>&1 || true
trap away EXIT

#!/usr/bin/env bash
# Makes .venv from requirements.lock (hashes checked) and installs the project into it. Safe to run again:
# it does nothing when the lock file and pyproject.toml are unchanged.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "setup: $*" >&2; exit 1; }

stamp=$(cat requirements.lock pyproject.toml scripts/setup.sh | sha256sum | cut -d' ' -f1)
[ -f .venv/stamp ] && [ "$(cat .venv/stamp)" = "$stamp" ] && exit 0

python=$(command -v python3) || die "python3 is missing; install Python 3.11 or newer (apt-get install python3)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "$("$python" --version) is too old; install Python 3.11 or newer"
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
    die "Python's venv module is missing; run: apt-get install python3-venv"
  echo "setup: installing python3-venv"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
fi
echo "setup: making .venv"
"$python" -m venv --clear .venv
echo "setup: installing the locked dependencies"
.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
.venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
echo "$stamp" > .venv/stamp
echo "setup: done; the programs are in .venv/bin"

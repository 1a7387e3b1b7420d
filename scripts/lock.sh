#!/usr/bin/env bash
# Writes requirements.lock: every dependency with its hashes, and no registry's address.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/pip" install -q --disable-pip-version-check 'pip-tools>=7.5' 'pip<26.2'
"$tools/bin/pip-compile" -q --generate-hashes --allow-unsafe --extra dev --strip-extras --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements.lock pyproject.toml scripts/build-requirements.in

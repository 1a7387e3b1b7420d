#!/usr/bin/env bash
# Makes an image without a registry, on the engine of DOCKER_HOST:
#   image.sh NAME:TAG [--python] [--shim] [--package PACKAGE ...] [--file SOURCE:PATH ...]
# busybox always; --python: this machine's python3 with its standard library; --shim: our confd-entrypoint;
# --package: Debian packages with the libraries they need, unpacked and not installed; --file: a file of ours.
# Nothing is left behind but the image.
set -euo pipefail

die() { echo "image.sh: $*" >&2; exit 1; }

image=${1:?usage: image.sh NAME:TAG [--python] [--shim] [--package PACKAGE] [--file SOURCE:PATH]}
shift
root=$(mktemp -d)
packages=$(mktemp -d)
trap 'rm -rf "$root" "$packages"' EXIT

add() { # file: at its own path, with what its path's links need
  mkdir -p "$root$(dirname "$1")"
  cp -L "$1" "$root$1"
}

libraries_of() { ldd "$@" 2>/dev/null | grep -o '/[^ )]*' | grep -v ':$' | sort -u || true; }

python() {
  local executable library
  executable=$(python3 -I -c 'import os, sys; print(os.path.realpath(sys.executable))')
  library=$(python3 -I -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
  add "$executable"
  mkdir -p "$root$library" "$root/usr/bin"
  [ -e "$root/usr/bin/python3" ] || ln -s "$executable" "$root/usr/bin/python3"
  tar -C "$library" --exclude=__pycache__ --exclude=site-packages --exclude=dist-packages --exclude='config-*' \
    --exclude=test --exclude=idlelib --exclude=ensurepip -c . | tar -C "$root$library" -x
  libraries_of "$executable" "$library"/lib-dynload/*.so | while read -r one; do add "$one"; done
}

unpack() { # package ...
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || die "--package needs Debian's apt-get and dpkg"
  local needed
  needed=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
    --no-enhances "$@" | grep -E '^(lib|lua)[a-z0-9.+-]+$' | sort -u || true)
  # shellcheck disable=SC2086 - a list of words
  (cd "$packages" && apt-get -q -q -o APT::Sandbox::User=root download "$@" $needed) ||
    die "these Debian packages cannot be had: $*; run apt-get update"
  for one in "$packages"/*.deb; do dpkg -x "$one" "$root"; done
}

wanted=()
python=
shim=
files=()
while [ $# -gt 0 ]; do
  case "$1" in
    --python) python=yes ;;
    --shim) shim=yes ;;
    --package) wanted+=("${2:?--package needs a name}"); shift ;;
    --file) files+=("${2:?--file needs SOURCE:PATH}"); shift ;;
    *) die "unknown: $1" ;;
  esac
  shift
done

[ ${#wanted[@]} = 0 ] || unpack "${wanted[@]}"
mkdir -p "$root/bin" "$root/tmp" "$root/etc" "$root/usr/bin"
chmod 1777 "$root/tmp"
busybox=$(command -v busybox) || die "busybox is missing; install it (Debian: apt-get install busybox-static)"
cp "$busybox" "$root/bin/busybox"
for applet in sh sleep cat echo env kill test true nc ls grep id; do
  [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
done
[ -e "$root/usr/bin/env" ] || ln -s /bin/busybox "$root/usr/bin/env"
[ -z "$python" ] || python
if [ -n "$shim" ]; then
  mkdir -p "$root/usr/local/bin"
  PYTHONPATH=$(dirname "$0")/.. python3 -m confd.shim "$root/usr/local/bin/confd-entrypoint"
fi
for pair in "${files[@]}"; do
  mkdir -p "$root$(dirname "${pair#*:}")"
  install -m 755 "${pair%%:*}" "$root${pair#*:}"
done
tar -C "$root" -c . | docker import -c 'ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin' - "$image" >/dev/null

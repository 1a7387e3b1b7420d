#!/usr/bin/env bash
. "$(dirname "$0")/../example.sh" example-manifests
work=$(mktemp -d)
trap 'away; rm -rf "$work"' EXIT
image confd-example:1
docker run -d --name example-manifests --label confd.app=example-manifests confd-example:1 \
  sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'
confctl set example-manifests "STAMP=$stamp" --wait
cp -r "$(dirname "$0")/config" "$work"
sees() { docker exec example-manifests sh -c 'echo $LOG_LEVEL,$POOL_SIZE,$BANNER'; }
is() { [ "$(sees)" = "$1" ]; }

step "what the manifests would change, and then they are applied"
confctl apply -f "$work/config" --dry-run
confctl apply -f "$work/config" --force --wait
expect "the app sees" "$(sees)" "info,8,all is well"

step "a line that is taken out is unset; what was set by hand stays"
sed -i '/BANNER/d; s/info/debug/' "$work/config/web.yaml"
confctl apply -f "$work/config" --wait
expect "the app sees" "$(sees)" "debug,8,"
expect "set by hand" "$(confctl get example-manifests STAMP)" "$stamp"

step "the same files again change nothing"
before=$(inspect example-manifests .Id)
confctl apply -f "$work/config" --wait
expect "the same container" "$(inspect example-manifests .Id)" "$before"

step "a directory that the layer follows"
mkdir "$work/files"
printf 'LOG_LEVEL=warn\nPOOL_SIZE=8\nSTAMP=%s\n' "$stamp" > "$work/files/web.env"
echo '{"run/memory": "32m"}' > "$work/files/limits.json"
confctl sync example-manifests "$work/files" 2> "$work/log" &
sync=$!
await "the first state" is "warn,8,"
sed -i s/warn/error/ "$work/files/web.env"
await "what was saved" is "error,8,"
kill "$sync"
wait "$sync"
cat "$work/log"

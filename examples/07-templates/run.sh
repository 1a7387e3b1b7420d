#!/usr/bin/env bash
# A file in a format that nobody else has, by a template in the binding.
. "$(dirname "$0")/../example.sh" example-templates
image confd-example:1
folder=$(mktemp -d)
trap 'away; rm -rf "$folder"' EXIT

step "the settings that the template needs come first, then the binding"
confctl set example-templates "web/port=$((8000 + stamp % 1000))" "upstream/blue=10.0.0.1" "upstream/green=10.0.0.2"
confctl binding check example-templates "$(dirname "$0")/binding.json"
confctl binding set example-templates "$(dirname "$0")/binding.json"

step "a container with a mounted folder; on HUP it reads its file again"
docker run -d --name example-templates --label confd.app=example-templates -v "$folder:/etc/app" confd-example:1 sh -c '
  trap "cat /etc/app/app.conf" HUP; trap "exit 0" TERM; echo started; while :; do sleep 0.1; done'
await "the file is there" grep -q "level info;" "$folder/app.conf"
cat "$folder/app.conf"
before=$(inspect example-templates .State.Pid)

step "one more upstream: the file has it, and the app is told"
confctl set example-templates "upstream/red=10.0.0.$((stamp % 250))" --wait
await "the app reads the file" sh -c "docker logs example-templates 2>&1 | grep -F \"upstream red '10.0.0.$((stamp % 250))';\""
expect "the same process" "$(inspect example-templates .State.Pid)" "$before"

step "what the template needs cannot be unset; nothing is stored"
confctl unset example-templates web/port && exit 1 || expect "exit code" $? 65

step "a template that is none is refused with its line"
echo '{"files": [{"path": "/etc/app/app.conf", "template": "a\n{% if %}"}]}' >"$folder/wrong.json"
confctl binding set example-templates "$folder/wrong.json" && exit 1 || expect "exit code" $? 65
expect "the file is as it was" "$(grep -c '^upstream' "$folder/app.conf")" 3

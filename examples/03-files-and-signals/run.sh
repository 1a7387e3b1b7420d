#!/usr/bin/env bash
. "$(dirname "$0")/../example.sh" example-files
image confd-example:1
folder=$(mktemp -d)
trap 'away; rm -rf "$folder"' EXIT

step "a container with a mounted folder; on HUP it reads its file again"
docker run -d --name example-files --label confd.app=example-files -v "$folder:/etc/app" confd-example:1 sh -c '
  trap "cat /etc/app/app.json" HUP; trap "exit 0" TERM; echo started; while :; do sleep 0.1; done'
confctl binding set example-files "$(dirname "$0")/binding.json"
confctl set example-files "app/made=$stamp" --wait

step "a key under log/: the file is replaced, then the process gets HUP"
before=$(inspect example-files '.State.Pid')
confctl set example-files "log/level=debug-$stamp" --wait
await "the app reads the file" sh -c "docker logs example-files 2>&1 | grep debug-$stamp"
expect "the same process" "$(inspect example-files .State.Pid)" "$before"

step "a key under notes/: the file is replaced and nothing is done to the container"
confctl set example-files "notes/owner=team-$stamp" --wait
expect "the file has it" "$(grep -c "team-$stamp" "$folder/app.json")" 1
expect "the same process" "$(inspect example-files .State.Pid)" "$before"

step "any other key: the container is restarted, not replaced"
id=$(inspect example-files .Id)
confctl set example-files "pool/size=$stamp" --wait
expect "the same container" "$(inspect example-files .Id)" "$id"
[ "$(inspect example-files .State.Pid)" != "$before" ]
echo "   with a new process"

#!/usr/bin/env bash
# Containers that ran long before confd came: none has a label of ours, none is restarted.
. "$(dirname "$0")/../example.sh" example-adopt-run exampleadopt_web_1 example-adopt-job
here=$(dirname "$0")
image confd-example:1
image confd-example-adopt:1
image confd-example-job:1
apps=(adopt-run adopt-web adopt-job)
names=(example-adopt-run exampleadopt_web_1 example-adopt-job)
ids() { docker inspect -f '{{.Id}} {{.State.StartedAt}}' "${names[@]}"; }
in_sync() { confctl status "$1" | grep -q "$2 .*in-sync"; }

step "one from docker run, one from docker-compose, one from a script"
docker run -d --name example-adopt-run -e GREETING=hello -m 64m confd-example:1 \
  sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'
docker-compose -p exampleadopt -f "$here/docker-compose.yml" up -d
sh "$here/start.sh"
before=$(ids)

step "their present settings, read from the containers"
for i in 0 1 2; do
  confctl import "${apps[i]}" --from-container "${names[i]}" -m "as it runs today"
done
expect "what was found" "$(confctl get adopt-web run/memory) $(confctl get adopt-web GREETING)" "67108864 hello"

step "bindings say which containers these are: by name, by Compose service, by image"
confctl binding set adopt-run - <<<'{"select": {"name": "example-adopt-run"}}'
confctl binding set adopt-web - <<<'{"select": {"compose": "exampleadopt/web"}}'
confctl binding set adopt-job - <<<'{"select": {"image": "confd-example-job"}}'
for i in 0 1 2; do
  await "${names[i]} is known" in_sync "${apps[i]}" "${names[i]}"
  confctl adopt "${apps[i]}"
done
expect "the same containers, never restarted" "$(ids)" "$before"

step "one memory limit for each: the same containers"
for i in 0 1 2; do
  confctl set "${apps[i]}" run/memory=96m --wait
  expect "memory limit of ${names[i]}" "$(inspect "${names[i]}" .HostConfig.Memory)" $((96 * 1024 * 1024))
done
expect "the same containers, never restarted" "$(ids)" "$before"

step "and back to what each was started with"
for i in 0 1 2; do
  confctl unset "${apps[i]}" run/memory --wait
  expect "memory limit of ${names[i]}" "$(inspect "${names[i]}" .HostConfig.Memory)" $((64 * 1024 * 1024))
done
expect "the same containers, never restarted" "$(ids)" "$before"

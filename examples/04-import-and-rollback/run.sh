#!/usr/bin/env bash
. "$(dirname "$0")/../example.sh" example-import
image confd-example:1
docker run -d --name example-import --label confd.app=example-import confd-example:1 \
  sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'
confctl set example-import "STAMP=$stamp" LOG_LEVEL=error --wait

step "a file of settings is one change and one recreate"
confctl import example-import "$(dirname "$0")/web.env" --wait
expect "the app sees" "$(docker exec example-import sh -c 'echo $LOG_LEVEL $POOL_SIZE $BANNER')" "info 8 all is well"

step "the same file again changes nothing"
before=$(inspect example-import .Id)
confctl import example-import "$(dirname "$0")/web.env" --wait
expect "the same container" "$(inspect example-import .Id)" "$before"

step "who changed what, and where a value comes from"
confctl history example-import
confctl explain example-import LOG_LEVEL

step "back to before the import, as a change of its own"
confctl rollback example-import --wait
expect "the app sees" "$(docker exec example-import sh -c 'echo $LOG_LEVEL,$POOL_SIZE')" "error,"

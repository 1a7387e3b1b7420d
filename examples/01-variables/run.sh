#!/usr/bin/env bash
. "$(dirname "$0")/../example.sh" example-web
image confd-example:1

step "an ordinary container; the label alone says whose settings it takes"
docker run -d --name example-web --label confd.app=example-web -e GREETING=hello confd-example:1 \
  sh -c 'trap "exit 0" TERM; [ "$MODE" != broken ] || { echo "MODE is broken"; exit 3; }; while :; do sleep 0.1; done'

step "a variable: the new container runs before the old one goes"
confctl set example-web "GREETING=good day $stamp" MODE=calm --wait
expect "the app sees" "$(docker exec example-web sh -c 'echo $GREETING')" "good day $stamp"

step "settings with which the app does not start: the old container comes back, confctl says why and ends with 3"
before=$(inspect example-web .Id)
confctl set example-web MODE=broken --wait && exit 1 || expect "exit code" $? 3
expect "the same container runs" "$(inspect example-web .Id) $(inspect example-web .State.Running)" "$before true"

step "back to what worked, and then without the variable: what the container was started with holds again"
confctl rollback example-web --wait
confctl unset example-web GREETING --wait
expect "the app sees" "$(docker exec example-web sh -c 'echo $GREETING')" "hello"

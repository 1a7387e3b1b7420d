#!/bin/sh
# Somebody's own script, as it stands on many a host.
docker run -d --name example-adopt-job -e GREETING=hello -m 64m confd-example-job:1 \
  sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'

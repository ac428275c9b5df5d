#!/bin/sh
# Runs one program of the suite in mount and pid namespaces of its own, with a /run of its own: runtimes keep their state there.
# Called by run.ts through unshare(1): sandbox.sh PROGRAM
set -eu
mount -t tmpfs -o mode=755 run /run
# crun takes a hybrid host for one with cgroup v2 alone, and finds no controllers there.
case $RUNTIME in */crun) umount /sys/fs/cgroup/unified 2>/dev/null || true ;; esac
exec "$1"

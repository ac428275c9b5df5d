#!/bin/sh
# Runs one .bats file where it can do no harm: in mount, pid, ipc and uts namespaces of its own (nothing that it starts or mounts outlives it),
# with device nodes of its own (a test with the host's /dev/null on its standard input may change the node's owner),
# and with a controlling terminal, which several tests want. Called by run.ts through unshare(1): sandbox.sh FILE.bats
set -eu
dev=$(mktemp -d)
mount -t tmpfs -o mode=755 dev "$dev"
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 kmsg:1:11 fuse:10:229; do
	name=${node%%:*} numbers=${node#*:}
	mknod -m 666 "$dev/$name" c "${numbers%:*}" "${numbers#*:}"
done
mkdir "$dev/pts" "$dev/shm" "$dev/mqueue"
ln -s pts/ptmx "$dev/ptmx"
ln -s /proc/self/fd "$dev/fd"
ln -s /proc/self/fd/0 "$dev/stdin"
ln -s /proc/self/fd/1 "$dev/stdout"
ln -s /proc/self/fd/2 "$dev/stderr"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$dev/pts"
mount -t tmpfs -o mode=1777 shm "$dev/shm"
mount --move "$dev" /dev
rmdir "$dev"
# Standard input that never ends: script(1) would pass the end on to the tests.
mkfifo "$TMPDIR/input"
exec script -q -e -c "bats --tap '$1'" /dev/null <>"$TMPDIR/input"

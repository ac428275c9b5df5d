// NFS volumes against the kernel's own server, in a machine whose kernel has both sides; what the programs of an NFS server would tell the
// kernel of exports (nfsd(7)) the script writes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { file } from '../harness/cpio.ts';
import { ROOT } from '../harness/programs.ts';
import { machineMissing, runInMachine } from '../harness/virtual-machine.ts';

/** INSECURE_PORT, ASYNC, NOSUBTREECHECK, FSID (linux/nfsd/export.h). */
const FLAGS = 0x2412;
const FOR_EVER = 2147483647;
const SCRIPT = `
ip link set lo up
mkdir -p /etc /export /volumes /var/lib/nfs/v4recovery
echo 127.0.0.1 localhost > /etc/hosts
mount -t tmpfs exported /export
echo served > /export/file
mount -t nfsd nfsd /proc/fs/nfsd
echo "nfsd 127.0.0.1 ${FOR_EVER} everyone" > /proc/net/rpc/auth.unix.ip/channel
echo "everyone /export ${FOR_EVER} ${FLAGS} 65534 65534 0" > /proc/net/rpc/nfsd.export/channel
echo 'everyone 1 \\x00000000 ${FOR_EVER} /export' > /proc/net/rpc/nfsd.fh/channel
echo 10 > /proc/fs/nfsd/nfsv4gracetime
echo "-3 +4 +4.1 +4.2" > /proc/fs/nfsd/versions
echo "tcp 2049" > /proc/fs/nfsd/portlist
echo 2 > /proc/fs/nfsd/threads
echo Y > /proc/fs/nfsd/v4_end_grace
node /app/program.mjs
`;
const CLIENT = ['netfs', 'fscache', 'sunrpc', 'grace', 'lockd', 'nfs', 'dns_resolver', 'nfsv4'];
const SERVER = ['nfs_acl', 'auth_rpcgss', 'nfsd'];

test('volumes of an NFS server, and what is said where it cannot be had', {
  skip: machineMissing() ?? false,
  timeout: 180_000,
}, async () => {
  const entry = fileURLToPath(new URL('nfs-volume-probe.ts', import.meta.url));
  const output = await runInMachine(entry, {
    script: SCRIPT,
    modules: [...CLIENT, ...SERVER],
    // Mounts are made by a thread of its own.
    files: [file('app/mount-thread.js', readFileSync(join(ROOT, 'dist', 'mount-thread.js')))],
  });
  assert.match(output, /^a volume of an NFS server$/m);
  assert.match(output, /^what cannot be mounted is said$/m);
});

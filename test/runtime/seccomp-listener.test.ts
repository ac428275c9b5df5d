// A seccomp filter with a supervisor: its descriptor and the container's state arrive at listenerPath.
import assert from 'node:assert/strict';
import { closeSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { acceptUnix, listenUnix, receiveWithFds } from '@berth/sys/fd-passing';
import { Laboratory } from './laboratory.ts';

for (const noNewPrivileges of [false, true]) {
  test(`the supervisor gets its descriptor, ${noNewPrivileges ? 'without' : 'with'} new privileges`, (t) => {
    const laboratory = Laboratory.open(t);
    const path = join(laboratory.directory, 'seccomp.sock');
    const socket = listenUnix(path);
    const bundle = laboratory.bundle('true', (spec) => {
      if (spec.process) spec.process.noNewPrivileges = noNewPrivileges;
      if (!spec.linux) return;
      spec.linux.seccomp = {
        defaultAction: 'SCMP_ACT_ALLOW',
        architectures: ['SCMP_ARCH_X86_64'],
        listenerPath: path,
        listenerMetadata: 'papers',
        syscalls: [{ names: ['chroot'], action: 'SCMP_ACT_NOTIFY' }],
      };
    });
    const id = laboratory.id();
    const result = laboratory.runtime(['create', '-b', bundle, id]);
    assert.equal(result.code, 0, result.stderr);
    const connection = acceptUnix(socket);
    const { data, fds } = receiveWithFds(connection, 16384);
    const message = JSON.parse(data.toString());
    assert.deepEqual([message.fds, message.metadata, message.state.id, message.state.status], [['seccompFd'], 'papers', id, 'creating']);
    assert.equal(message.pid, laboratory.state(id).pid);
    assert.equal(readlinkSync(`/proc/self/fd/${fds[0]}`), 'anon_inode:seccomp notify');
    for (const fd of [...fds, connection, socket]) closeSync(fd);
  });
}

// Device nodes and who may use them (config-linux.md "Devices", "Default Devices", "Device allowed list").
import assert from 'node:assert/strict';
import { conformance } from './suite.ts';

conformance('/dev has the default devices, links and those that were asked for', (laboratory) => {
  const script =
    'for f in null zero full random urandom tty; do stat -c "%n %a %t:%T" /dev/$f; done; for l in ptmx fd stdin stdout stderr; do readlink /dev/$l; done; stat -c "%F %a %u %t:%T" /dev/net/x; echo gone >/dev/null';
  const result = laboratory.run(script, (spec) => {
    if (spec.linux) spec.linux.devices = [{ path: '/dev/net/x', type: 'c', major: 10, minor: 200, fileMode: 0o640, uid: 7, gid: 8 }];
  });
  assert.deepEqual(result.stdout.trim().split('\n'), [
    '/dev/null 666 1:3',
    '/dev/zero 666 1:5',
    '/dev/full 666 1:7',
    '/dev/random 666 1:8',
    '/dev/urandom 666 1:9',
    '/dev/tty 666 5:0',
    'pts/ptmx',
    '/proc/self/fd',
    '/proc/self/fd/0',
    '/proc/self/fd/1',
    '/proc/self/fd/2',
    'character special file 640 7 a:c8',
  ]);
  assert.equal(result.stderr, '');
});

conformance('block devices, pipes and character devices without a buffer', (laboratory) => {
  const result = laboratory.run('for f in block pipe plain; do stat -c "%F %t:%T" /dev/$f; done', (spec) => {
    if (!spec.linux) return;
    spec.linux.devices = [
      { path: '/dev/block', type: 'b', major: 7, minor: 9, fileMode: 0o600 },
      { path: '/dev/pipe', type: 'p', fileMode: 0o600 },
      { path: '/dev/plain', type: 'u', major: 1, minor: 3 },
    ];
  });
  assert.equal(result.stdout, 'block special file 7:9\nfifo 0:0\ncharacter special file 1:3\n', result.stderr);
});

conformance('what the rules do not allow cannot be opened', (laboratory) => {
  const result = laboratory.run('mknod /kmsg c 1 11; head -c 1 /kmsg; head -c 1 /dev/zero | wc -c', (spec) => {
    if (!spec.linux || !spec.process) return;
    spec.process.capabilities = { bounding: ['CAP_MKNOD'], permitted: ['CAP_MKNOD'], effective: ['CAP_MKNOD'] };
    spec.linux.resources = { devices: [{ allow: false, access: 'rwm' }] };
  });
  assert.match(result.stderr, /kmsg: Operation not permitted/);
  assert.equal(result.stdout, '1\n');
});

conformance('what they do allow can', (laboratory) => {
  const result = laboratory.run('mknod /full c 1 7; mknod /kmsg c 1 11; : </kmsg && echo open', (spec) => {
    if (!spec.linux || !spec.process) return;
    const own = ['CAP_MKNOD', 'CAP_SYSLOG', 'CAP_SYS_ADMIN'];
    spec.process.capabilities = { bounding: own, permitted: own, effective: own };
    spec.linux.resources = {
      devices: [
        { allow: false, access: 'rwm' },
        { allow: true, type: 'c', major: 1, minor: 11, access: 'r' },
      ],
    };
  });
  assert.equal(result.stdout, 'open\n', result.stderr);
});

conformance(
  'a type that is none is refused',
  (laboratory) => {
    const result = laboratory.run('true', (spec) => {
      if (spec.linux) spec.linux.devices = [{ path: '/dev/x', type: 'x' as 'c' }];
    });
    assert.notEqual(result.code, 0);
  },
  { crun: 'crun does not look at the type' },
);

// berth-runtime exec: further processes in a running container.
import assert from 'node:assert/strict';
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupMode } from '@berth/runtime/cgroup/hierarchy';
import { eventually } from '../harness/eventually.ts';
import { conformance } from './suite.ts';

conformance('a process joins every namespace and the cgroup of the container', (laboratory) => {
  const id = laboratory.background();
  const { pid } = laboratory.state(id);
  const names = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'uts'];
  const result = laboratory.runtime(['exec', id, 'sh', '-c', `for n in ${names.join(' ')}; do readlink /proc/self/ns/$n; done`]);
  assert.deepEqual(
    result.stdout.trim().split('\n'),
    names.map((name) => readlinkSync(`/proc/${pid}/ns/${name}`)),
  );
  const pidFile = join(laboratory.directory, 'pid');
  laboratory.runtime(['exec', '--detach', '--pid-file', pidFile, id, 'sleep', '1000']);
  const second = readFileSync(pidFile, 'utf8');
  assert.equal(readFileSync(`/proc/${second}/cgroup`, 'utf8'), readFileSync(`/proc/${pid}/cgroup`, 'utf8'));
  const pids = JSON.parse(laboratory.runtime(['ps', '--format', 'json', id]).stdout) as number[];
  assert.deepEqual(pids.sort(), [pid, Number(second)].sort());
});

conformance('exit code, standard streams and signals are those of the process', (laboratory) => {
  const id = laboratory.background();
  const result = laboratory.runtime(['exec', id, 'sh', '-c', 'cat; echo err >&2; exit 9'], { input: 'in' });
  assert.deepEqual(result, { code: 9, stdout: 'in', stderr: 'err\n' });
  assert.equal(laboratory.runtime(['exec', id, 'sh', '-c', 'kill -15 $$']).code, 143);
});

conformance(
  'user, working directory, environment, capabilities and privileges are as asked for',
  (laboratory) => {
    const id = laboratory.background();
    const script = 'id -u; id -g; id -G; pwd; echo $SHIP; grep -E "NoNew|CapBnd" /proc/self/status';
    const result = laboratory.runtime([
      'exec',
      '--user',
      '1000:5',
      '-g',
      '8',
      '--cwd',
      '/tmp',
      '-e',
      'SHIP=argo',
      '--no-new-privs',
      '--cap',
      'CAP_SYS_PTRACE',
      id,
      'sh',
      '-c',
      script,
    ]);
    const [uid, gid, gids, cwd, ship, bounding, privileges] = result.stdout.trim().split('\n');
    assert.deepEqual([uid, gid, gids, cwd, ship, privileges], ['1000', '5', '5 8', '/tmp', 'argo', 'NoNewPrivs:\t1']);
    assert.ok((BigInt(`0x${bounding?.split('\t')[1]}`) >> 19n) & 1n);
  },
  { crun: 'crun has no -g' },
);

conformance('a process is described by a file', (laboratory) => {
  const id = laboratory.background();
  const file = join(laboratory.directory, 'process.json');
  writeFileSync(
    file,
    JSON.stringify({ args: ['sh', '-c', 'echo $A; pwd'], cwd: '/etc', env: ['A=b', 'PATH=/bin'], user: { uid: 0, gid: 0 } }),
  );
  assert.equal(laboratory.runtime(['exec', '--process', file, id]).stdout, 'b\n/etc\n');
});

conformance(
  "a program that is not there is an error with runc's wording, and the container goes on",
  (laboratory) => {
    const id = laboratory.background();
    const result = laboratory.runtime(['exec', id, 'nonsense']);
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, /exec failed: .*exec: \\"nonsense\\": executable file not found in \$PATH/);
    assert.match(laboratory.runtime(['exec', id, '/etc']).stderr, /permission denied|is a directory/);
    assert.match(laboratory.runtime(['exec', '--cwd', '/nowhere', id, 'true']).stderr, /chdir to cwd .*no such file or directory/);
    assert.equal(laboratory.runtime(['exec', id, 'true']).code, 0);
  },
  { crun: 'crun words its errors in its own way' },
);

conformance(
  'a container that is stopped, or not there, takes no process',
  async (laboratory) => {
    const id = laboratory.background();
    laboratory.runtime(['kill', id, 'KILL']);
    await eventually(() => laboratory.state(id).status === 'stopped');
    assert.match(laboratory.runtime(['exec', id, 'true']).stderr, /cannot exec in a stopped container/);
    assert.match(laboratory.runtime(['exec', 'nobody', 'true']).stderr, /does not exist/);
  },
  { crun: 'crun words its errors in its own way' },
);

conformance(
  "a process can be put into a cgroup below the container's",
  (laboratory) => {
    const id = laboratory.background((spec) => {
      for (const mount of spec.mounts ?? [])
        if (mount.type === 'cgroup') mount.options = mount.options?.filter((option) => option !== 'ro');
    });
    const [hierarchy, controller] = cgroupMode() === 'unified' ? ['', ''] : ['pids', 'pids:'];
    const make = laboratory.runtime(['exec', id, 'mkdir', join('/sys/fs/cgroup', hierarchy, 'hold')]);
    assert.equal(make.code, 0, make.stderr);
    const result = laboratory.runtime(['exec', '--cgroup', `${controller}/hold`, id, 'grep', `:${hierarchy}:`, '/proc/self/cgroup']);
    assert.match(result.stdout, /:\/hold\n|hold$/m, result.stderr);
    assert.match(laboratory.runtime(['exec', '--cgroup', 'nonsense', id, 'true']).stderr, /bad --cgroup|no such file/);
  },
  { crun: 'crun takes no controllers there' },
);

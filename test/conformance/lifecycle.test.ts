// create, start, state, kill, delete, list: the states of a container and the errors of what does not fit them.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../harness/eventually.ts';
import { conformance } from './suite.ts';

conformance(
  'a container is created, runs, is killed and is deleted',
  async (laboratory) => {
    const id = laboratory.id();
    const bundle = laboratory.bundle('echo started; exec sleep 1000');
    const pidFile = join(laboratory.directory, 'pid');
    assert.equal(laboratory.runtime(['create', '--bundle', bundle, '--pid-file', pidFile, id]).code, 0);
    const created = laboratory.state(id);
    assert.equal(created.status, 'created');
    assert.equal(created.pid, Number(readFileSync(pidFile, 'utf8')));
    assert.equal(created.bundle, bundle);
    assert.equal(created.rootfs, join(bundle, 'rootfs'));
    assert.ok(Date.now() - Date.parse(created.created) < 60_000);

    assert.equal(laboratory.runtime(['start', id]).code, 0);
    assert.equal(laboratory.state(id).status, 'running');
    assert.match(laboratory.runtime(['start', id]).stderr, /cannot start an already running container/);
    assert.match(laboratory.runtime(['delete', id]).stderr, /is not stopped: running/);

    assert.equal(laboratory.runtime(['kill', id, 'KILL']).code, 0);
    await eventually(() => laboratory.state(id).status === 'stopped');
    assert.equal(laboratory.state(id).pid, 0);
    assert.match(laboratory.runtime(['kill', id, 'KILL']).stderr, /container not running/);
    assert.match(laboratory.runtime(['start', id]).stderr, /cannot start a container that has stopped/);
    assert.equal(laboratory.runtime(['delete', id]).code, 0);
    assert.match(laboratory.runtime(['state', id]).stderr, /does not exist/);
    assert.equal(existsSync(join(laboratory.root, id)), false);
  },
  { crun: 'crun gives the root as the configuration has it, not as a path' },
);

conformance('a created container is deleted without force, a running one with it', async (laboratory) => {
  const id = laboratory.id();
  laboratory.runtime(['create', '--bundle', laboratory.bundle('true'), id]);
  const { pid } = laboratory.state(id);
  assert.equal(laboratory.runtime(['delete', id]).code, 0);
  assert.equal(isRunning(pid), false);
  const running = laboratory.background();
  const second = laboratory.state(running).pid;
  assert.equal(laboratory.runtime(['delete', '--force', running]).code, 0);
  assert.equal(isRunning(second), false);
});

conformance(
  'delete --force of nothing succeeds, delete of nothing does not',
  (laboratory) => {
    assert.equal(laboratory.runtime(['delete', '--force', 'nobody']).code, 0);
    const result = laboratory.runtime(['delete', 'nobody']);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /does not exist/);
  },
  { crun: 'crun words its errors in its own way' },
);

conformance(
  'an id is taken once, and a bad one never',
  (laboratory) => {
    const id = laboratory.background();
    assert.match(laboratory.runtime(['run', '-b', laboratory.bundle('true'), id]).stderr, /container with given ID already exists/);
    for (const bad of ['a/b', '..', 'a b', 'ö'])
      assert.match(laboratory.runtime(['run', '-b', laboratory.bundle('true'), bad]).stderr, /invalid container ID format/);
    assert.equal(laboratory.state(id).status, 'running');
  },
  { crun: 'crun words its errors in its own way' },
);

conformance(
  'kill sends any signal by name or number, and --all reaches every process',
  async (laboratory) => {
    const file = '/tmp/signals';
    const id = laboratory.background(
      undefined,
      `trap 'echo usr1 >>${file}' USR1; trap 'echo hup >>${file}' HUP; while :; do usleep 20000; done`,
    );
    const signals = join(laboratory.rootfs(id), file);
    await new Promise((resolve) => setTimeout(resolve, 100));
    laboratory.runtime(['kill', id, 'SIGUSR1']);
    await eventually(() => existsSync(signals) && readFileSync(signals, 'utf8') === 'usr1\n');
    laboratory.runtime(['kill', id, '1']);
    await eventually(() => readFileSync(signals, 'utf8') === 'usr1\nhup\n');
    assert.match(laboratory.runtime(['kill', id, 'NONSENSE']).stderr, /unknown signal \\?"NONSENSE/);
    laboratory.runtime(['kill', '--all', id, '9']);
    await eventually(() => laboratory.state(id).status === 'stopped');
  },
  { crun: 'crun says nothing of a signal that is none' },
);

conformance(
  'list shows ids, states and owners, as a table and as JSON',
  (laboratory) => {
    assert.equal(laboratory.runtime(['list', '--format', 'json']).stdout.trim(), 'null');
    const id = laboratory.background();
    const rows = JSON.parse(laboratory.runtime(['list', '-f', 'json']).stdout);
    assert.deepEqual([rows.length, rows[0].id, rows[0].status, rows[0].owner], [1, id, 'running', 'root']);
    assert.equal(laboratory.runtime(['list', '-q']).stdout, `${id}\n`);
    assert.match(laboratory.runtime(['list']).stdout, /^ID +PID +STATUS +BUNDLE +CREATED +OWNER\n\S+ +\d+ +running /);
  },
  { crun: 'crun prints an empty list, not null' },
);

conformance(
  'what fails during create leaves nothing',
  (laboratory) => {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
    const id = laboratory.id();
    const bundle = laboratory.bundle('true', (spec) =>
      spec.mounts?.push({ destination: '/x', type: 'bind', source: '/no/such/source', options: ['bind'] }),
    );
    const result = laboratory.runtime(['create', '-b', bundle, id]);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /\/no\/such\/source.*no such file or directory/);
    assert.deepEqual(existsSync(laboratory.root) ? readdirSync(laboratory.root) : [], []);
    assert.equal(existsSync(`/sys/fs/cgroup/memory/${id}`), false);
    assert.equal(readFileSync('/proc/self/mountinfo', 'utf8'), mounts);
  },
  { crun: 'crun words its errors in its own way' },
);

conformance(
  'a program that cannot be executed fails create with the wordings that clients match on',
  (laboratory) => {
    const failure = (args: string[], cwd = '/') => {
      const bundle = laboratory.bundle('', (spec) => {
        if (spec.process) Object.assign(spec.process, { args, cwd });
      });
      const result = laboratory.runtime(['create', '-b', bundle, laboratory.id()]);
      assert.equal(result.code, 1);
      return result.stderr;
    };
    assert.match(failure(['nonsense']), /exec: \\"nonsense\\": executable file not found in \$PATH/);
    assert.match(failure(['/nonsense']), /exec: \\"\/nonsense\\": stat \/nonsense: no such file or directory/);
    assert.match(failure(['/etc/passwd']), /exec: \\"\/etc\/passwd\\": permission denied/);
    assert.match(failure(['true'], '/etc/passwd'), /mkdir \/etc\/passwd: not a directory/);
  },
  { crun: 'crun words its errors in its own way' },
);

conformance(
  'errors are on standard error and, as JSON, in the log',
  (laboratory) => {
    const log = join(laboratory.directory, 'log.json');
    const result = laboratory.runtime(['--log', log, '--log-format', 'json', 'start', 'nobody']);
    assert.equal(result.code, 1);
    const line = JSON.parse(readFileSync(log, 'utf8').trim().split('\n').at(-1) ?? '');
    assert.equal(line.level, 'error');
    assert.match(line.msg, /container does not exist|does not exist/);
    assert.ok(!Number.isNaN(Date.parse(line.time)));
    assert.match(result.stderr, /does not exist/);
  },
  { crun: 'crun words its errors in its own way' },
);

function isRunning(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.[0] !== 'Z';
  } catch {
    return false;
  }
}

// The process of a container (config.md "Process"): what it is given, and what its caller gets back.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { conformance } from './suite.ts';

conformance('the exit code of the program is that of run, and nothing is left', (laboratory) => {
  const mountsBefore = readFileSync('/proc/self/mountinfo', 'utf8');
  const id = laboratory.id();
  const result = laboratory.runtime(['run', '-b', laboratory.bundle('echo out; echo err >&2; exit 7'), id]);
  assert.deepEqual(result, { code: 7, stdout: 'out\n', stderr: 'err\n' });
  assert.deepEqual(readdirSync(laboratory.root), []);
  assert.equal(readFileSync('/proc/self/mountinfo', 'utf8'), mountsBefore);
  assert.equal(existsSync(`/sys/fs/cgroup/pids/${id}`), false);
});

conformance('a program that dies of a signal gives 128 and the number', (laboratory) => {
  // Signals do not kill init of a pid namespace, so it is its child that dies.
  assert.equal(laboratory.run("sh -c 'kill -9 $$'; exit $?").code, 137);
});

conformance('standard input reaches the program', (laboratory) => {
  const result = laboratory.runtime(['run', '-b', laboratory.bundle('cat'), laboratory.id()], { input: 'ahoy' });
  assert.equal(result.stdout, 'ahoy');
});

conformance('further descriptors are passed on when asked for, and no others', (laboratory) => {
  const bundle = laboratory.bundle('ls /proc/self/fd | wc -l; cat <&3 2>/dev/null');
  writeFileSync(join(laboratory.directory, 'input'), 'three\n');
  const shell = (flags: string) =>
    `exec 3<${laboratory.directory}/input 9<${laboratory.directory}/input; exec "$0" --root ${laboratory.root} run -b ${bundle} ${flags} ${laboratory.id()}`;
  const without = laboratory.shell(shell(''));
  assert.equal(without.stdout, '4\n');
  assert.equal(laboratory.shell(shell('--preserve-fds 1')).stdout, '5\nthree\n');
});

conformance(
  'the pid file is there, and --keep keeps the container',
  (laboratory) => {
    const id = laboratory.id();
    const pidFile = join(laboratory.directory, 'pid');
    laboratory.runtime(['run', '--keep', '--pid-file', pidFile, '-b', laboratory.bundle('true'), id]);
    assert.match(readFileSync(pidFile, 'utf8'), /^\d+$/);
    assert.equal(laboratory.state(id).status, 'stopped');
  },
  { crun: 'crun 1.8 has no --keep' },
);

conformance("rlimits, umask, working directory, environment and OOM score are the program's", (laboratory) => {
  const result = laboratory.run('ulimit -n; ulimit -c; umask; pwd; echo $SHIP $HOME; cat /proc/self/oom_score_adj', (spec) => {
    if (!spec.process) return;
    spec.process.rlimits = [
      { type: 'RLIMIT_NOFILE', soft: 33, hard: 44 },
      { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
    ];
    spec.process.user = { uid: 0, gid: 0, umask: 0o077 };
    spec.process.cwd = '/tmp';
    spec.process.env?.push('SHIP=argo', 'SHIP=beagle');
    spec.process.oomScoreAdj = 321;
  });
  assert.deepEqual(result.stdout.trim().split('\n'), ['33', '0', '0077', '/tmp', 'beagle /root', '321']);
});

conformance('no new privileges, and no signal ignored or blocked', (laboratory) => {
  const result = laboratory.run('', (spec) => {
    if (!spec.process) return;
    spec.process.args = ['grep', '-E', 'NoNewPrivs|SigBlk|SigIgn', '/proc/self/status'];
    spec.process.noNewPrivileges = true;
  });
  assert.deepEqual(result.stdout.trim().split(/\s+/), ['SigBlk:', '0000000000000000', 'SigIgn:', '0000000000000000', 'NoNewPrivs:', '1']);
});

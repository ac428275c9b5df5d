// berth-runtime run: what a container sees and what its caller sees.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Laboratory } from './laboratory.ts';

test('the exit code of the program is that of run, and nothing is left', (t) => {
  const laboratory = Laboratory.open(t);
  const mountsBefore = readFileSync('/proc/self/mountinfo', 'utf8');
  const id = laboratory.id();
  const result = laboratory.runtime(['run', '-b', laboratory.bundle('echo out; echo err >&2; exit 7'), id]);
  assert.deepEqual(result, { code: 7, stdout: 'out\n', stderr: 'err\n' });
  assert.deepEqual(readdirSync(laboratory.root), []);
  assert.equal(readFileSync('/proc/self/mountinfo', 'utf8'), mountsBefore);
  assert.equal(existsSync(`/sys/fs/cgroup/pids/${id}`), false);
});

test('a program that dies of a signal gives 128 and the number', (t) => {
  // Signals do not kill init of a pid namespace, so it is its child that dies.
  assert.equal(Laboratory.open(t).run("sh -c 'kill -9 $$'; exit $?").code, 137);
});

test("namespaces are new, and those that are not asked for are the host's", (t) => {
  const script = 'for n in ipc mnt net pid uts; do readlink /proc/self/ns/$n; done; readlink /proc/self/ns/user';
  const lines = Laboratory.open(t).run(script).stdout.trim().split('\n');
  const own = ['ipc', 'mnt', 'net', 'pid', 'uts', 'user'].map((name) => readlinkSync(`/proc/self/ns/${name}`));
  for (let index = 0; index < 5; index++) assert.notEqual(lines[index], own[index]);
  assert.equal(lines[5], own[5]);
});

test('the program is pid 1, sees only itself, its host name and a loopback that is up', (t) => {
  const result = Laboratory.open(t).run('echo $$; hostname; ls -d /proc/[0-9]* | wc -l; ip -o link show lo', (spec) => {
    spec.hostname = 'harbour';
  });
  const [pid, name, count, link] = result.stdout.split('\n');
  assert.deepEqual([pid, name], ['1', 'harbour']);
  assert.ok(Number(count) <= 3, count);
  assert.match(link ?? '', /LOOPBACK,UP/);
});

test('a network namespace is joined by its path', (t) => {
  const laboratory = Laboratory.open(t);
  const first = laboratory.background();
  const path = `/proc/${laboratory.state(first).pid}/ns/net`;
  const result = laboratory.run('readlink /proc/self/ns/net', (spec) => {
    for (const namespace of spec.linux?.namespaces ?? []) if (namespace.type === 'network') namespace.path = path;
  });
  assert.equal(result.stdout.trim(), readlinkSync(path));
});

test('a pid namespace is joined by its path', (t) => {
  const laboratory = Laboratory.open(t);
  const path = `/proc/${laboratory.state(laboratory.background()).pid}/ns/pid`;
  const result = laboratory.run('readlink /proc/self/ns/pid; echo $$', (spec) => {
    for (const namespace of spec.linux?.namespaces ?? []) if (namespace.type === 'pid') namespace.path = path;
  });
  const [namespace, pid] = result.stdout.split('\n');
  assert.equal(namespace, readlinkSync(path));
  assert.notEqual(pid, '1');
});

test('standard input reaches the program', (t) => {
  const laboratory = Laboratory.open(t);
  const result = laboratory.runtime(['run', '-b', laboratory.bundle('cat'), laboratory.id()], { input: 'ahoy' });
  assert.equal(result.stdout, 'ahoy');
});

test('further descriptors are passed on when asked for, and no others', (t) => {
  const laboratory = Laboratory.open(t);
  const bundle = laboratory.bundle('ls /proc/self/fd | wc -l; cat <&3 2>/dev/null');
  writeFileSync(join(laboratory.directory, 'input'), 'three\n');
  const shell = (flags: string) =>
    `exec 3<${laboratory.directory}/input 9<${laboratory.directory}/input; exec "$0" --root ${laboratory.root} run -b ${bundle} ${flags} ${laboratory.id()}`;
  const without = laboratory.shell(shell(''));
  assert.equal(without.stdout, '4\n');
  assert.equal(laboratory.shell(shell('--preserve-fds 1')).stdout, '5\nthree\n');
});

test('the pid file is there, and --keep keeps the container', (t) => {
  const laboratory = Laboratory.open(t);
  const id = laboratory.id();
  const pidFile = join(laboratory.directory, 'pid');
  laboratory.runtime(['run', '--keep', '--pid-file', pidFile, '-b', laboratory.bundle('true'), id]);
  assert.match(readFileSync(pidFile, 'utf8'), /^\d+$/);
  assert.equal(laboratory.state(id).status, 'stopped');
});

test("rlimits, umask, working directory, environment and OOM score are the program's", (t) => {
  const result = Laboratory.open(t).run('ulimit -n; ulimit -c; umask; pwd; echo $SHIP $HOME; cat /proc/self/oom_score_adj', (spec) => {
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

test('user, groups and capabilities are dropped to what is asked for', (t) => {
  const script = 'id -u; id -g; id -G; grep -E "Cap(Prm|Eff|Bnd|Amb)" /proc/self/status; echo $HOME';
  const result = Laboratory.open(t).run(script, (spec) => {
    if (!spec.process) return;
    spec.process.user = { uid: 1000, gid: 1001, additionalGids: [7, 8] };
    spec.process.capabilities = {
      bounding: ['CAP_KILL', 'CAP_CHOWN'],
      permitted: ['CAP_KILL'],
      inheritable: ['CAP_KILL'],
      effective: ['CAP_KILL'],
      ambient: ['CAP_KILL'],
    };
  });
  const [uid, gid, gids, prm, eff, bnd, amb, home] = result.stdout.trim().split('\n');
  assert.deepEqual([uid, gid, gids], ['1000', '1001', '1001 7 8']);
  assert.equal(BigInt(`0x${prm?.split('\t')[1]}`), 0x20n);
  assert.equal(BigInt(`0x${eff?.split('\t')[1]}`), 0x20n);
  assert.equal(BigInt(`0x${bnd?.split('\t')[1]}`), 0x21n);
  assert.equal(BigInt(`0x${amb?.split('\t')[1]}`), 0x20n);
  assert.equal(home, '/tmp');
});

test('no new privileges, and no signal ignored or blocked', (t) => {
  const result = Laboratory.open(t).run('', (spec) => {
    if (!spec.process) return;
    spec.process.args = ['grep', '-E', 'NoNewPrivs|SigBlk|SigIgn', '/proc/self/status'];
    spec.process.noNewPrivileges = true;
  });
  assert.deepEqual(result.stdout.trim().split(/\s+/), ['SigBlk:', '0000000000000000', 'SigIgn:', '0000000000000000', 'NoNewPrivs:', '1']);
});

test("sysctls of the container's namespaces are set", (t) => {
  const result = Laboratory.open(t).run('cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni', (spec) => {
    if (spec.linux) spec.linux.sysctl = { 'net.ipv4.ip_unprivileged_port_start': '77', 'kernel.shmmni': '99' };
  });
  assert.equal(result.stdout, '77\n99\n');
});

test('a seccomp filter answers for the kernel', (t) => {
  const result = Laboratory.open(t).run('mkdir /tmp/x; hostname', (spec) => {
    if (spec.linux) {
      spec.linux.seccomp = {
        defaultAction: 'SCMP_ACT_ALLOW',
        architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_AARCH64'],
        syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 95 }],
      };
    }
  });
  assert.match(result.stderr, /Not supported|not supported/);
});

test('limits of memory and processes hold', (t) => {
  const result = Laboratory.open(t).run(
    '(for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done) 2>&1; dd if=/dev/zero of=/dev/null bs=60M count=1 2>&1; echo dd $?',
    (spec) => {
      if (spec.linux) spec.linux.resources = { pids: { limit: 6 }, memory: { limit: 20 << 20 } };
    },
  );
  assert.match(result.stdout, /can't fork/);
  assert.match(result.stdout, /dd 137|Killed/);
});

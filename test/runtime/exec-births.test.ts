// An exec'd process is born of a list of system calls or of a fork (ADR 6): nobody must be able to tell which.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Process } from '@berth/oci/runtime-spec';
import { ROOT, run } from '../harness/programs.ts';
import { Laboratory } from './laboratory.ts';

interface Born {
  child: 'program' | 'fork';
  status?: number;
  error?: string;
  output: string;
  leaked: number;
}

const PATH = 'PATH=/opt/none:/opt/first:/bin';
const HOME = 'HOME=/root';

async function births(t: TestContext, processes: Partial<Process>[], options: { prepare?: (rootfs: string) => void; times?: number } = {}) {
  const laboratory = Laboratory.open(t);
  const bundle = laboratory.bundle('exec sleep 1000', (spec) => {
    const syscalls = [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' as const }];
    if (spec.linux) spec.linux.seccomp = { defaultAction: 'SCMP_ACT_ALLOW', syscalls };
  });
  options.prepare?.(join(bundle, 'rootfs'));
  const list = processes.map((process) => ({ cwd: '/', env: [PATH, HOME], user: { uid: 0, gid: 0 }, ...process }));
  const probe = join(ROOT, 'test/runtime/exec-probe.ts');
  const args = [probe, bundle, laboratory.root, laboratory.id(), JSON.stringify(list), String(options.times ?? 1)];
  const result = await run(process.execPath, ['--v8-pool-size=0', '--single-threaded', ...args]);
  assert.equal(result.stderr, '');
  const lines = result.stdout.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Born);
}

/** Without HOME in the environment it is looked up in the container, by a fork; PWD and _ are the shell's. */
const bothWays = (process: Partial<Process>): Partial<Process>[] => [
  { ...process, env: [PATH, HOME] },
  { ...process, env: [PATH] },
];

test('both are the same to the process itself', async (t) => {
  const script = [
    'id; pwd; umask; env | sort; tty',
    'grep -E "^(Sig[^Q]|Cap|NoNew|Seccomp|Uid|Gid|Groups|TracerPid)" /proc/self/status',
    'cat /proc/self/limits /proc/self/cgroup /proc/self/oom_score_adj',
    'for n in cgroup ipc mnt net pid uts user; do readlink /proc/self/ns/$n; done',
    'for f in /proc/self/fd/*; do test -e $f && echo $f; done',
    'read -r pid name state parent group session rest </proc/self/stat; echo $((pid == group)) $((pid == session))',
    'mkdir /tmp/refused 2>&1',
    'stat -c "%u %g %a" /proc/self/fd/1 -L',
  ].join('; ');
  const args = ['/bin/sh', '-c', script];
  const variants: Partial<Process>[] = [
    { args },
    {
      args,
      cwd: '/tmp',
      user: { uid: 1000, gid: 5, additionalGids: [8, 9], umask: 0o27 },
      noNewPrivileges: true,
      oomScoreAdj: 500,
      rlimits: [
        { type: 'RLIMIT_NOFILE', soft: 64, hard: 100 },
        { type: 'RLIMIT_AS', soft: 2 ** 30, hard: 2 ** 31 },
      ],
    },
    {
      args,
      user: { uid: 1000, gid: 1000 },
      capabilities: {
        bounding: ['CAP_KILL', 'CAP_CHOWN'],
        effective: ['CAP_KILL'],
        permitted: ['CAP_KILL', 'CAP_CHOWN'],
        inheritable: ['CAP_KILL'],
        ambient: ['CAP_KILL'],
      },
    },
  ];
  const all = await births(t, variants.flatMap(bothWays));
  for (let index = 0; index < all.length; index += 2) {
    const [program, fork] = [all[index], all[index + 1]];
    assert.deepEqual([program?.child, fork?.child], ['program', 'fork'], JSON.stringify(program));
    assert.match(program?.output ?? '', /^1 1\nmkdir: .*Operation not permitted/m);
    // The fork found another HOME for users other than root.
    const comparable = (output?: string) => output?.replace(/^HOME=.*$/m, '').replace(/0x[0-9a-f]+/g, '');
    assert.equal(comparable(program?.output), comparable(fork?.output));
    assert.deepEqual([program?.status, program?.leaked, fork?.leaked], [fork?.status, 0, 0]);
  }
});

test('a program that cannot be executed is told of in the same words', async (t) => {
  const prepare = (rootfs: string) => {
    mkdirSync(join(rootfs, 'opt/first/adir'), { recursive: true });
    writeFileSync(join(rootfs, 'opt/first/noexec'), '', { mode: 0o644 });
    writeFileSync(join(rootfs, 'opt/first/script'), '#!/no/such/interpreter\n', { mode: 0o755 });
    writeFileSync(join(rootfs, 'opt/first/garbage'), 'garbage', { mode: 0o755 });
    symlinkSync('/bin/true', join(rootfs, 'opt/first/true'));
    mkdirSync(join(rootfs, 'private'));
    chmodSync(join(rootfs, 'private'), 0o700);
  };
  const failing: [Partial<Process>, RegExp][] = [
    [{ args: ['nonsense'] }, /exec: "nonsense": executable file not found in \$PATH/],
    [{ args: ['noexec'] }, /exec: "noexec": executable file not found in \$PATH/],
    [{ args: ['adir'] }, /exec: "adir": executable file not found in \$PATH/],
    [{ args: ['/opt/first/noexec'] }, /exec: "\/opt\/first\/noexec": permission denied/],
    [{ args: ['/opt/first/adir'] }, /exec: "\/opt\/first\/adir": is a directory/],
    [{ args: ['script'] }, /exec \/opt\/first\/script: no such file or directory/],
    [{ args: ['garbage'] }, /exec \/opt\/first\/garbage: exec format error/],
    [{ args: ['true'], cwd: '/nowhere' }, /chdir to cwd \("\/nowhere"\) set in config.json failed: no such file or directory/],
  ];
  const all = await births(
    t,
    failing.map(([process]) => process),
    { prepare },
  );
  for (const [index, [, wording]] of failing.entries()) assert.match(all[index]?.error ?? 'nothing', wording);
  const [found, inside] = await births(
    t,
    [
      { args: ['true'] },
      // Only root may enter it, and the working directory is entered as root first.
      { args: ['pwd'], cwd: '/private', user: { uid: 1000, gid: 1000 } },
    ],
    { prepare },
  );
  assert.deepEqual([found?.child, found?.status, inside?.child, inside?.output], ['program', 0, 'program', '/private\n']);
});

test('CVE-2024-21626: a working directory never leads out by a descriptor that was left open', async (t) => {
  const cwds = Array.from({ length: 12 }, (_, index) => `/proc/self/fd/${index + 3}`);
  for (const { error, output } of await births(
    t,
    cwds.map((cwd) => ({ args: ['ls', '.'], cwd })),
  )) {
    assert.match(error ?? `not refused: ${output}`, /outside of container mount namespace root|chdir to cwd/);
  }
});

test('hundreds of execs leave nothing behind', { timeout: 120_000 }, async (t) => {
  const [born] = await births(t, [{ args: ['true'] }], { times: 1000 });
  assert.deepEqual(born, { child: 'program', status: 0, output: '', leaked: 0 });
});

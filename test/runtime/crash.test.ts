// The runtime, or the init that it is making, dies at one step of create after the other: before each system call that changes
// something. `delete --force` finds what is left, and nothing is. A dead init alone the runtime cleans up after by itself.
//
// `npm test` takes every sixtieth step and the last three; BERTH_KILL_STEPS=1 takes every one.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Spec } from '@berth/oci/runtime-spec';
import { hierarchies } from '@berth/runtime/cgroup/hierarchy';
import { FORK_FLAGS } from '@berth/shim/zygote/programs';
import { build } from 'esbuild';
import { ROOT, run } from '../harness/programs.ts';
import { type Step, Supervisor } from '../harness/supervised.ts';
import { IS_BERTH, Laboratory, RUNTIME } from './laboratory.ts';

const EVERY = Number(process.env.BERTH_KILL_STEPS ?? 60);

/** sendmsg is left out: the supervisor's own descriptor comes by it. The step before and the one after stand for it. */
const STEPS = [
  ...['mkdir', 'mkdirat', 'mknod', 'mknodat', 'rename', 'renameat', 'renameat2', 'unlink', 'unlinkat', 'rmdir', 'symlinkat'],
  ...['write', 'pwrite64', 'recvmsg', 'clone', 'clone3', 'fork', 'vfork', 'wait4', 'execve', 'exit_group', 'kill'],
  ...['unshare', 'setns', 'mount', 'umount2', 'move_mount', 'open_tree', 'mount_setattr', 'pivot_root', 'chroot', 'chdir', 'fchdir'],
  ...['chmod', 'fchmodat', 'chown', 'fchown', 'fchownat', 'sethostname', 'setdomainname', 'setsid', 'setgroups', 'setresuid'],
  ...['setresgid', 'capset', 'prctl', 'keyctl', 'prlimit64', 'seccomp', 'close_range'],
];

const VARIANTS: Record<string, (spec: Spec) => void> = {
  'an ordinary container': (spec) => {
    if (spec.linux) spec.linux.resources = { ...spec.linux.resources, pids: { limit: 20 } };
    spec.mounts?.push({ destination: '/bound', type: 'bind', source: '/etc', options: ['rbind', 'ro'] });
  },
  'one with a user namespace and joined namespaces': (spec) => {
    if (!spec.linux) return;
    const joined = { ipc: '/proc/self/ns/ipc', network: '/proc/self/ns/net' };
    spec.linux.namespaces = [
      ...(spec.linux.namespaces ?? []).map(({ type }) => (type === 'ipc' ? { type, path: joined.ipc } : { type })),
      { type: 'user' },
      { type: 'time' },
    ];
    spec.linux.uidMappings = spec.linux.gidMappings = [{ containerID: 0, hostID: 0, size: 65536 }];
    spec.linux.sysctl = {};
    spec.mounts = (spec.mounts ?? []).filter(({ destination }) => !/mqueue|cgroup/.test(destination));
  },
  'one with hooks': (spec) => {
    const hook = [{ path: '/bin/true' }];
    spec.hooks = { prestart: hook, createRuntime: hook, createContainer: hook };
  },
};

/** The process between is the one that joins namespaces before init is born in its user namespace. */
type Victim = 'runtime' | 'between' | 'init';
const LEAST_STEPS: Record<Victim, number> = { runtime: 20, between: 2, init: 20 };

/**
 * A bundle, as a shim is: to run TypeScript Node compiles a program on another thread, which may hold a lock of malloc's while init is
 * forked. Below the root, where it finds the native module.
 */
const LIBRARY_CREATE = join(ROOT, '.cache', `prepared-create-${process.pid}.js`);
before(() =>
  build({
    entryPoints: [join(ROOT, 'test/runtime/prepared-create.ts')],
    outfile: LIBRARY_CREATE,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    external: ['koffi'],
    logLevel: 'error',
  }),
);
after(() => rmSync(LIBRARY_CREATE, { force: true }));

/** How a container is created. */
type Create = (laboratory: Laboratory, bundle: string, id: string) => string[];
const byRuntime: Create = ({ root }, bundle, id) => [RUNTIME, '--root', root, 'create', '-b', bundle, id];
const byLibrary: Create = ({ root }, bundle, id) => {
  return [process.execPath, ...FORK_FLAGS, LIBRARY_CREATE, bundle, root, id];
};

for (const [name, change] of Object.entries(VARIANTS)) {
  describe(`SIGKILL during create of ${name}`, { skip: IS_BERTH ? false : 'others leave their state half-made' }, () => {
    test(`of the runtime, every ${EVERY}. step`, (t) => eachStep(Laboratory.open(t), change, 'runtime'));
    test(`of init, every ${EVERY}. step of its own`, (t) => eachStep(Laboratory.open(t), change, 'init'));
    if (name.includes('joined')) test('of the process between, every step', (t) => eachStep(Laboratory.open(t), change, 'between'));
    else {
      test(`of a creator that has forked init ahead, every ${EVERY}. step`, (t) =>
        eachStep(Laboratory.open(t), change, 'runtime', byLibrary));
      test(`of an init that was forked ahead, every ${EVERY}. step of its own`, (t) =>
        eachStep(Laboratory.open(t), change, 'init', byLibrary));
    }
  });
}

async function eachStep(laboratory: Laboratory, change: (spec: Spec) => void, victim: Victim, by = byRuntime): Promise<void> {
  const bundle = laboratory.bundle('sleep 1000', change);
  const whole = await createAndKill(laboratory, bundle, by, victim, Number.POSITIVE_INFINITY);
  assert.ok(whole > LEAST_STEPS[victim], `only ${whole} steps were seen`);
  // The last ones always: they are where the container begins to live on its own.
  const every = victim === 'between' ? 1 : EVERY;
  for (let at = whole; at >= 1; at -= at > whole - 3 ? 1 : every) await createAndKill(laboratory, bundle, by, victim, at);
}

/** Kills the victim at its step `at`; returns the number of the victim's steps that were seen. */
async function createAndKill(laboratory: Laboratory, bundle: string, by: Create, victim: Victim, at: number): Promise<number> {
  const id = laboratory.id();
  let seen = 0;
  let killed: Step | undefined;
  let begun = false;
  let between: number | undefined;
  const runtime = ['--root', laboratory.root];
  const supervisor = new Supervisor(laboratory.directory, STEPS);
  const outputFile = join(laboratory.directory, 'output');
  const outputFd = openSync(outputFile, 'w');
  const [command, args] = supervisor.command(by(laboratory, bundle, id));
  const create = spawn(command, args, { stdio: ['ignore', outputFd, outputFd] });
  closeSync(outputFd);
  supervisor.onStep = (step) => {
    // Before the container has its directory there is nothing to leave.
    begun ||= existsSync(join(laboratory.root, id));
    if (!begun || killed || (victim !== 'runtime' && step.pid === create.pid)) return;
    between ??= step.pid;
    if (victim === 'between' && step.pid !== between) return;
    if (++seen < at) return;
    killed = step;
    const target = victim === 'runtime' ? create.pid : step.pid;
    // The runtime may have gone on its own: init's last steps are made behind its back.
    if (target !== undefined && existsSync(`/proc/${target}`)) process.kill(target, 'SIGKILL');
  };
  const exited = once(create, 'exit');
  supervisor.accept();
  const [code] = await exited;
  const output = readFileSync(outputFile, 'utf8');
  const where = `${id}, step ${at}: ${killed?.name} of ${killed?.pid === create.pid ? 'the runtime' : 'init'}\n${output}`;
  if (victim !== 'runtime' && killed && code !== 0) {
    // The runtime has seen it, and undone everything.
    assert.deepEqual(remains(laboratory, id), [], where);
  }
  const deleted = await run(RUNTIME, [...runtime, 'delete', '--force', id]);
  assert.equal(deleted.code, 0, `${where}\n${deleted.stderr}`);
  assert.ok(await supervisor.noneLeft(), `a process is left: ${where}`);
  await supervisor.close();
  assert.deepEqual(remains(laboratory, id), [], where);
  return seen;
}

/** State, cgroups and mounts of a container. A namespace without a process lives by a mount only. */
function remains(laboratory: Laboratory, id: string): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const cgroups = hierarchies().map(({ mountpoint }) => join(mountpoint, id));
  const states = existsSync(laboratory.root) ? readdirSync(laboratory.root).map((name) => join(laboratory.root, name)) : [];
  return [
    ...mounts.filter((line) => line.includes(laboratory.directory)),
    ...cgroups.filter((path) => existsSync(path)),
    ...states.filter((path) => !path.includes('@')),
  ];
}

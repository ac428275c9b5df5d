// berth-runtime under podman and its conmon, which speak the OCI runtime command line in their own way.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync, statfsSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CRIU, criuMissing } from '../harness/criu.ts';
import { type Result, ROOT, run } from '../harness/programs.ts';
import { unless } from './peers.ts';
import { makeRootfs } from './rootfs.ts';

const CGROUPS = '/sys/fs/cgroup';
/** statfs(2). */
const CGROUP_MAGIC = 0x27e0eb;
const CGROUP2_MAGIC = 0x63677270;

// podman's own limits need a capability that root in a container of its own may lack.
const LIMITS = ['--ulimit', 'nofile=1024:2048', '--ulimit', 'nproc=1024:2048'];

/** A podman of the test's own: roots that are thrown away, cgroups below a parent that is. */
class Podman {
  readonly directory = mkdtempSync('/tmp/berth-podman-');
  readonly parent = basename(this.directory);
  /** A root file system that containers are made from. */
  readonly rootfs = join(this.directory, 'rootfs');

  static async open(t: TestContext): Promise<Podman> {
    const podman = new Podman();
    t.after(() => cleanUp(podman.directory, podman.parent));
    await makeRootfs(podman.rootfs);
    return podman;
  }

  run(...args: string[]): Promise<Result> {
    const at = (name: string) => join(this.directory, name);
    const roots = ['--root', at('root'), '--runroot', at('run'), '--tmpdir', at('tmp')];
    const settings = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--runtime', join(ROOT, 'bin/berth-runtime')];
    const env = isAbsolute(CRIU) ? { ...process.env, PATH: `${dirname(CRIU)}:${process.env.PATH}` } : process.env;
    return run('podman', [...roots, ...settings, ...args], { timeout: 60_000, env });
  }

  /** As run, and it has to succeed: what it printed. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    assert.equal(code, 0, `podman ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  /** Flags of `run` and `pod create` before the image. */
  get flags(): string[] {
    return ['--network', 'none', '--cgroup-parent', `/${this.parent}`];
  }

  /** A container of the test's root file system in the background. */
  start(name: string, script: string, ...flags: string[]): Promise<string> {
    return this.ok('run', '-d', '--name', name, ...flags, ...LIMITS, '--rootfs', this.rootfs, '/bin/sh', '-c', script);
  }
}

const PEERS = { skip: unless('podman', 'conmon') };

test('podman run, exec, pause, stop, logs and rm', PEERS, async (t) => {
  const podman = await Podman.open(t);
  const once = ['run', '--rm', ...podman.flags, ...LIMITS, '--rootfs', podman.rootfs];
  const first = await podman.run(...once, '/bin/sh', '-c', 'echo out; echo err >&2; exit 7');
  assert.deepEqual([first.code, first.stdout, first.stderr], [7, 'out\n', 'err\n']);
  const missing = await podman.run(...once, '/no-such-program');
  assert.equal(missing.code, 127, missing.stderr);
  await podman.start('life', 'trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.05; done', ...podman.flags);
  const exec = await podman.run('exec', 'life', '/bin/sh', '-c', 'echo inside; exit 5');
  assert.deepEqual([exec.code, exec.stdout], [5, 'inside\n'], exec.stderr);
  await podman.ok('pause', 'life');
  assert.equal(await podman.ok('inspect', '-f', '{{.State.Status}}', 'life'), 'paused\n');
  await podman.ok('unpause', 'life');
  await podman.ok('stop', '-t', '5', 'life');
  assert.equal(await podman.ok('logs', 'life'), 'up\nbye\n');
  await podman.ok('rm', 'life');
});

test('podman update changes the limits of a running container', PEERS, async (t) => {
  const podman = await Podman.open(t);
  const known = await podman.run('update', '--help');
  if (known.code !== 0) return t.skip('this podman has no update');
  await podman.start('life', 'exec sleep 1000', '--memory', '64m', ...podman.flags);
  await podman.ok('update', '--memory', '48m', 'life');
  const pid = (await podman.ok('inspect', '-f', '{{.State.Pid}}', 'life')).trim();
  const relative = (controller: string) =>
    new RegExp(`:(?:[^:]*,)?${controller}(?:,[^:]*)?:(.*)`).exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
  if (!existsSync(join(CGROUPS, 'memory'))) return t.skip('no memory controller of cgroup v1');
  const limit = readFileSync(join(CGROUPS, 'memory', relative('memory') ?? '', 'memory.limit_in_bytes'), 'utf8');
  assert.equal(limit.trim(), String(48 << 20));
  await podman.ok('rm', '-f', '-t', '0', 'life');
});

test('podman healthcheck runs its command in the container', PEERS, async (t) => {
  const podman = await Podman.open(t);
  const health = ['--health-cmd', 'test -e /tmp/healthy', '--health-interval', 'disable', '--health-retries', '1'];
  await podman.start('life', 'exec sleep 1000', ...health, ...podman.flags);
  assert.notEqual((await podman.run('healthcheck', 'run', 'life')).code, 0);
  await podman.ok('exec', 'life', '/bin/sh', '-c', ': >/tmp/healthy');
  await podman.ok('healthcheck', 'run', 'life');
  await podman.ok('rm', '-f', '-t', '0', 'life');
});

test('podman checkpoint and restore: the container goes on where it was', { skip: PEERS.skip || criuMissing() }, async (t) => {
  const podman = await Podman.open(t);
  await podman.start('life', 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done', ...podman.flags);
  await podman.ok('container', 'checkpoint', 'life');
  assert.equal(await podman.ok('inspect', '-f', '{{.State.Status}}', 'life'), 'exited\n');
  const numbers = async () => (await podman.ok('logs', 'life')).trim().split('\n').map(Number);
  const before = await numbers();
  await podman.ok('container', 'restore', 'life');
  assert.equal(await podman.ok('inspect', '-f', '{{.State.Status}}', 'life'), 'running\n');
  let after = before;
  while (after.length === before.length) after = await numbers();
  assert.deepEqual(
    after,
    Array.from(after, (_, index) => index + 1),
  );
  await podman.ok('rm', '-f', '-t', '0', 'life');
});

test('podman pod: containers of one pod share its namespaces', PEERS, async (t) => {
  const podman = await Podman.open(t);
  // Without an infra container, whose image would have to be pulled: the first container's namespaces are joined by name.
  await podman.ok('pod', 'create', '--infra=false', '--name', 'fleet', '--cgroup-parent', `/${podman.parent}`);
  await podman.start('first', 'hostname harbour; exec sleep 1000', '--pod', 'fleet', '--network', 'none', '--privileged');
  const joined = ['--pod', 'fleet', '--network', 'container:first', '--ipc', 'container:first', '--uts', 'container:first'];
  const second = await podman.ok(
    'run',
    '--rm',
    ...joined,
    ...LIMITS,
    '--rootfs',
    podman.rootfs,
    '/bin/sh',
    '-c',
    'readlink /proc/self/ns/net',
  );
  const pid = (await podman.ok('inspect', '-f', '{{.State.Pid}}', 'first')).trim();
  assert.equal(second.trim(), readlinkSync(`/proc/${pid}/ns/net`));
  assert.match(await podman.ok('pod', 'ps', '--format', '{{.Name}} {{.Status}}'), /^fleet (Running|Degraded)/);
  await podman.ok('pod', 'pause', 'fleet');
  assert.equal(await podman.ok('inspect', '-f', '{{.State.Status}}', 'first'), 'paused\n');
  await podman.ok('pod', 'unpause', 'fleet');
  await podman.ok('pod', 'stop', '-t', '0', 'fleet');
  await podman.ok('pod', 'rm', '-f', 'fleet');
});

async function cleanUp(directory: string, parent: string): Promise<void> {
  // Its storage keeps a bind mount of itself.
  await run('umount', ['-l', join(directory, 'root/overlay')]);
  rmSync(directory, { recursive: true, force: true });
  for (const controller of readdirSync(CGROUPS)) removeCgroup(join(CGROUPS, controller, parent));
  removeCgroup(join(CGROUPS, parent));
}

/** podman leaves the parents of its containers' cgroups behind. */
function removeCgroup(path: string): void {
  let entries: string[];
  try {
    entries = readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return;
  }
  for (const name of entries) removeCgroup(join(path, name));
  // Where no hierarchy is mounted it was a plain directory, with plain files.
  if (isCgroup(path)) rmdirSync(path);
  else rmSync(path, { recursive: true });
}

function isCgroup(path: string): boolean {
  const { type } = statfsSync(path);
  return type === CGROUP_MAGIC || type === CGROUP2_MAGIC;
}

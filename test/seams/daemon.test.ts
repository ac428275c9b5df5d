// The seam between daemon and lifecycle service, beyond one container's life: what is particular to each pair.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';
import { busyboxRootfs } from '../harness/busybox.ts';
import { startRegistry } from '../registry/registry-process.ts';
import { CONTAINERD_1_7, CONTAINERD_2, Dockerd, LifecyclePeer, pathOf, unless, withoutRelease } from './peers.ts';

test('berthd over containerd: output waits for a daemon that comes back', { skip: unless('containerd', 'runc') }, async () => {
  await using service = await LifecyclePeer.start('containerd');
  await using berthd = await Berthd.start({ flags: ['--containerd', service.address] });
  await berthd.importBusybox();
  const script = 'trap "echo bye; exit 3" TERM; i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done';
  assert.equal((await berthd.docker(['run', '-d', '--name', 'counter', 'busybox', 'sh', '-c', script])).code, 0);
  assert.equal((await berthd.docker(['inspect', '-f', '{{.HostConfig.Runtime}}', 'counter'])).stdout, 'runc\n');
  assert.equal((await berthd.docker(['exec', 'counter', 'echo', 'before'])).stdout, 'before\n');
  for (const end of ['kill', 'stop'] as const) {
    await berthd[end]();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await berthd.launch();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.equal((await berthd.docker(['exec', 'counter', 'echo', 'after'])).stdout, 'after\n');
  assert.equal((await berthd.docker(['stop', 'counter'])).code, 0);
  const lines = (await berthd.docker(['logs', 'counter'])).stdout.trimEnd().split('\n');
  assert.equal(lines.pop(), 'bye');
  assert.ok(lines.length > 5);
  // A line that berthd had read and not yet written when it was killed is gone, as with every reader of a FIFO.
  const numbers = lines.map(Number);
  assert.deepEqual(
    numbers,
    [...new Set(numbers)].sort((a, b) => a - b),
    'every line once, in order',
  );
  assert.ok((numbers.at(-1) ?? 0) + 1 - numbers.length <= 1, `lines are missing: ${lines.join(' ')}`);
  assert.equal((await berthd.docker(['inspect', '-f', '{{.State.ExitCode}}', 'counter'])).stdout, '3\n');
});

test('berthd over containerd: containers outlive a containerd that dies', { skip: unless('containerd', 'runc') }, async () => {
  await using service = await LifecyclePeer.start('containerd');
  await using berthd = await Berthd.start({ flags: ['--containerd', service.address] });
  await berthd.importBusybox();
  const script = 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.05; done';
  assert.equal((await berthd.docker(['run', '-d', '--name', 'survivor', 'busybox', 'sh', '-c', script])).code, 0);
  await service.dieAndReturn();
  const exec = await berthd.docker(['exec', 'survivor', 'echo', 'after']);
  assert.deepEqual([exec.code, exec.stdout], [0, 'after\n'], exec.stderr);
  assert.equal((await berthd.docker(['stop', 'survivor'])).code, 0);
  assert.equal((await berthd.docker(['logs', 'survivor'])).stdout, 'up\nbye\n');
  assert.equal((await berthd.docker(['inspect', '-f', '{{.State.ExitCode}}', 'survivor'])).stdout, '3\n');
});

test("berthd over containerd: Berth's own shim is there by name", { skip: unless('containerd') }, async () => {
  await using service = await LifecyclePeer.start('containerd');
  await using berthd = await Berthd.start({ flags: ['--containerd', service.address, '--default-runtime', 'berth'] });
  await berthd.importBusybox();
  assert.deepEqual(await berthd.docker(['run', '--rm', '-i', 'busybox', 'cat'], { input: 'through\n' }), {
    code: 0,
    stdout: 'through\n',
    stderr: '',
  });
  assert.equal((await berthd.docker(['run', '--name', 'logged', 'busybox', 'echo', 'kept'])).code, 0);
  assert.equal((await berthd.docker(['logs', 'logged'])).stdout, 'kept\n');
});

const CHOICES = ['original', 'other', 'io.containerd.runc.v2'];

for (const [name, release] of [
  ['1.7', CONTAINERD_1_7],
  ['2', CONTAINERD_2],
] as const)
  test(`berthd over containerd ${name}: images travel, and containers live`, {
    skip: withoutRelease(release) || unless('runc'),
    timeout: 120_000,
  }, async () => {
    await using registry = await startRegistry();
    await using service = await LifecyclePeer.start('containerd', [], { release });
    // The registry is on the loopback device of this namespace, and it is containerd that pulls.
    await using berthd = await Berthd.start({
      hostNetwork: true,
      flags: ['--bridge', 'none', '--iptables=false', '--ip-forward=false', '--containerd', service.address],
    });
    const ok = async (...args: string[]) => {
      const result = await berthd.docker(args);
      assert.equal(result.code, 0, `docker ${args.join(' ')}: ${result.stderr}\n${service.log.split('\n').slice(-8).join('\n')}`);
      return result.stdout;
    };
    await berthd.importBusybox('made');
    const image = `${registry.host}/over/containerd:1`;
    await ok('tag', 'made', image);
    await ok('push', image);
    await ok('rmi', image, 'made');
    await ok('pull', image);
    assert.equal(await ok('run', '--rm', '--network', 'host', image, 'echo', 'pulled'), 'pulled\n');
    await ok(
      'run',
      '-d',
      '--network',
      'host',
      '--name',
      'long',
      image,
      'sh',
      '-c',
      'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.05; done',
    );
    assert.equal(await ok('exec', 'long', 'echo', 'inside'), 'inside\n');
    await ok('stop', 'long');
    assert.equal(await ok('logs', 'long'), 'up\nbye\n');
    await ok('rm', 'long');
  });

test('berthd: a container may choose its runtime and shim', { skip: unless('runc', 'crun', 'containerd-shim-runc-v2') }, async () => {
  await using service = await LifecyclePeer.start('berth-lifecycle', [], {
    pureV1: existsSync('/sys/fs/cgroup/unified/cgroup.controllers'),
  });
  const runtimes = ['--add-runtime', `other=${pathOf('crun')}`, '--add-runtime', `original=${pathOf('runc')}`];
  await using berthd = await Berthd.start({ flags: ['--containerd', service.address, ...runtimes] });
  await berthd.importBusybox();
  for (const runtime of CHOICES) {
    const script = 'echo out; echo err >&2; exit 6';
    const first = await berthd.docker(['run', '--name', 'chosen', '--runtime', runtime, 'busybox', 'sh', '-c', script]);
    assert.deepEqual([runtime, first.code, first.stdout, first.stderr], [runtime, 6, 'out\n', 'err\n']);
    assert.equal((await berthd.docker(['logs', 'chosen'])).stdout, 'out\n');
    assert.equal((await berthd.docker(['rm', 'chosen'])).code, 0);
    assert.equal((await berthd.docker(['run', '--rm', '-i', '--runtime', runtime, 'busybox', 'cat'], { input: 'in\n' })).stdout, 'in\n');
    const missing = await berthd.docker(['run', '--rm', '--runtime', runtime, 'busybox', 'no-such-program']);
    assert.deepEqual([runtime, missing.code], [runtime, 127], missing.stderr);
    assert.equal((await berthd.docker(['run', '-d', '--name', 'chosen', '--runtime', runtime, 'busybox', 'sleep', '100'])).code, 0);
    const exec = await berthd.docker(['exec', 'chosen', 'sh', '-c', 'echo inside; exit 5']);
    assert.deepEqual([runtime, exec.code, exec.stdout], [runtime, 5, 'inside\n'], exec.stderr);
    assert.equal((await berthd.docker(['rm', '-f', 'chosen'])).code, 0);
  }
});

test('dockerd over berth-lifecycle: builds, and runs in shims of ours', { skip: unless('dockerd', 'runc') }, async () => {
  await using service = await LifecyclePeer.start('berth-lifecycle', ['--runtime-alias', 'io.containerd.runc.v2=io.containerd.berth.v1']);
  await using dockerd = await Dockerd.start(service);
  const docker = (args: readonly string[], input?: Buffer) => dockerd.client('docker', args, { input });
  assert.equal((await docker(['import', '-c', 'ENV PATH=/bin', '-', 'busybox'], busyboxRootfs())).code, 0);
  const context = join(dockerd.directory, 'context');
  mkdirSync(context);
  writeFileSync(join(context, 'Dockerfile'), 'FROM busybox\nRUN echo built > /out\nCMD ["cat", "/out"]\n');
  const built = await docker(['build', '-t', 'made', context]);
  assert.equal(built.code, 0, built.stderr);
  assert.equal((await docker(['run', '--rm', 'made'])).stdout, 'built\n');
  assert.equal((await docker(['run', '-d', '--name', 'sleeper', 'busybox', 'sleep', '1000'])).code, 0);
  const { stdout } = await service.ctr(['--namespace', 'moby', 'task', 'ls']);
  assert.match(stdout, /RUNNING/);
  const exec = await docker(['exec', 'sleeper', 'sh', '-c', 'echo inside; exit 4']);
  assert.deepEqual([exec.code, exec.stdout], [4, 'inside\n'], exec.stderr);
  assert.equal((await docker(['rm', '-f', 'sleeper'])).code, 0);
  const missing = await docker(['run', '--rm', 'busybox', 'no-such-program']);
  assert.equal(missing.code, 127);
  assert.match(missing.stderr, /failed to create shim task: .*exec: "no-such-program": executable file not found in \$PATH/);
});

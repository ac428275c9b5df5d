// Berth's shim below Debian's containerd: the seam between the two, with the real program above it.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../harness/eventually.ts';
import { Laboratory } from './laboratory.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const missing = ['containerd', 'ctr'].filter((name) => spawnSync(name, ['--version']).status !== 0);
const built = existsSync(join(ROOT, 'dist/containerd-shim-berth-v1.js'));
const skip = missing.length > 0 ? `${missing.join(' and ')} is not installed` : built ? false : 'dist/ has no shim; run npm run build';

test('containerd runs containers with containerd-shim-berth-v1', { skip }, async (t) => {
  const lab = await Laboratory.open(t, { plain: true });
  const address = join(lab.root, 'c.sock');
  const config = join(lab.root, 'config.toml');
  mkdirSync(join(lab.rootfs, 'run'), { recursive: true });
  mkdirSync(join(lab.rootfs, 'sys'), { recursive: true });
  writeFileSync(
    config,
    `version = 2\nroot = "${lab.root}/root"\nstate = "${lab.root}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "${address}"\n[ttrpc]\naddress = "${address}.ttrpc"\n`,
  );
  const containerd = spawn('containerd', ['--config', config], {
    env: { ...process.env, PATH: `${join(ROOT, 'bin')}:${process.env.PATH}` },
    stdio: 'ignore',
  });
  const id = `long-${process.pid}`;
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(async () => {
    for (const words of [
      ['task', 'rm', '--force', id],
      ['container', 'rm', id],
    ])
      ctr(...words);
    containerd.kill();
    await once(containerd, 'exit');
  });
  const ctr = (...args: string[]) => spawnSync('ctr', ['--address', address, ...args], { encoding: 'utf8', timeout: 20_000 });
  await eventually(() => existsSync(address) && ctr('version').status === 0, 'containerd to serve', 20);
  const run = (id: string, flags: string[], ...command: string[]) =>
    ctr('run', ...flags, '--rootfs', '--runtime', 'io.containerd.berth.v1', lab.rootfs, `${id}-${process.pid}`, ...command);

  const once1 = run('once', ['--rm'], '/bin/sh', '-c', 'echo hello from berth; exit 5');
  assert.equal(once1.stdout, 'hello from berth\n', once1.stderr);
  assert.equal(once1.status, 5);

  assert.equal(run('long', ['--detach'], '/bin/sleep', '100').status, 0);
  const status = () => new RegExp(`${id}\\s+\\d+\\s+(\\w+)`).exec(ctr('task', 'ls').stdout)?.[1];
  assert.equal(status(), 'RUNNING');
  assert.equal(ctr('task', 'exec', '--exec-id', 'e1', id, '/bin/echo', 'executed').stdout, 'executed\n');
  assert.equal(ctr('task', 'pause', id).status, 0);
  assert.equal(status(), 'PAUSED');
  assert.equal(ctr('task', 'resume', id).status, 0);
  assert.match(ctr('task', 'metrics', id).stdout, /memory\.usage_in_bytes|memory\.usage/);
  assert.equal(ctr('task', 'kill', '--signal', '9', id).status, 0);
  await eventually(() => status() === 'STOPPED', 'the task to stop');
  ctr('task', 'rm', id);
  assert.equal(status(), undefined);
});

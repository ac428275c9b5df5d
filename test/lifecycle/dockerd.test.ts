// dockerd on top of this service: the seam between daemon and lifecycle service, with the real daemon above it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { busyboxRootfs } from '../harness/busybox.ts';
import { eventually } from '../harness/eventually.ts';
import { dockerClient, program, run } from '../harness/programs.ts';
import { Laboratory } from './laboratory.ts';

const installed = (name: string) =>
  program(name).startsWith('/') || (process.env.PATH ?? '').split(delimiter).some((directory) => existsSync(join(directory, name)));
const MISSING = ['dockerd', 'containerd-shim-runc-v2', 'runc'].filter((name) => !installed(name));
const skip = MISSING.length > 0 && `not installed: ${MISSING.join(', ')} (apt-get install docker.io)`;

/** A dockerd without a network of its own, so that nothing of the host is touched; returns a docker client for it. */
async function dockerd(t: TestContext, lab: Laboratory) {
  const at = (name: string) => join(lab.directory, 'd', name);
  mkdirSync(at('.'));
  const flags = [
    '--containerd',
    lab.address,
    '--data-root',
    at('root'),
    '--exec-root',
    at('exec'),
    '--pidfile',
    at('pid'),
    '-H',
    `unix://${at('d.sock')}`,
  ];
  const network = ['--bridge=none', '--iptables=false', '--ip-forward=false', '--ip-masq=false', '--storage-driver=vfs'];
  const daemon = spawn(program('dockerd'), [...flags, ...network], { stdio: 'ignore' });
  // Before the laboratory's own end: hooks run in the order of their making.
  t.after(async () => {
    if (daemon.exitCode !== null) return;
    daemon.kill('SIGTERM');
    await once(daemon, 'exit');
  });
  await eventually(() => existsSync(at('d.sock')), 'dockerd', 20);
  return (...args: string[]) => run(dockerClient(), ['-H', `unix://${at('d.sock')}`, ...args], { timeout: 20_000 });
}

test('docker run, exec and rm through dockerd, this service and runc', { skip }, async (t) => {
  const lab = new Laboratory();
  let docker: Awaited<ReturnType<typeof dockerd>>;
  try {
    await lab.start();
    docker = await dockerd(t, lab);
  } finally {
    t.after(() => lab.close());
  }
  const imported = await run(dockerClient(), ['-H', `unix://${join(lab.directory, 'd/d.sock')}`, 'import', '-', 'bb'], {
    input: busyboxRootfs(),
    timeout: 20_000,
  });
  assert.equal(imported.code, 0, imported.stderr);
  const isolated = ['--network', 'none', 'bb', '/bin/sh', '-c'];
  assert.deepEqual(await docker('run', '--rm', ...isolated, 'echo out; exit 9'), { code: 9, stdout: 'out\n', stderr: '' });
  assert.equal((await docker('run', '-d', '--name', 'long', ...isolated, 'sleep 100')).code, 0);
  assert.deepEqual(await docker('exec', 'long', '/bin/echo', 'inside'), { code: 0, stdout: 'inside\n', stderr: '' });
  assert.match((await docker('top', 'long')).stdout, /sleep 100/);
  assert.deepEqual(await docker('rm', '-f', 'long'), { code: 0, stdout: 'long\n', stderr: '' });
  assert.match((await docker('info', '--format', '{{.ContainerdCommit.ID}}')).stdout, /berth/);
});

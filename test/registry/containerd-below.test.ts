// berthd over Debian's containerd instead of Berth's lifecycle service: import, push, pull and run. That containerd knows no
// transfers, so the daemon speaks to the registry itself; containers run in Berth's shim, which containerd starts.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { GrpcConnection } from '@berth/rpc/grpc/client';
import { Berthd } from '../harness/berthd.ts';
import { program, ROOT } from '../harness/programs.ts';
import { startRegistry } from './registry-process.ts';
import { storeImage, storeIndex } from './test-image.ts';

async function startContainerd(): Promise<{ address: string } & AsyncDisposable> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-ctd-'));
  const address = join(directory, 'c.sock');
  const config = [
    'version = 2',
    `root = "${directory}/root"`,
    `state = "${directory}/state"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    `[grpc]\naddress = "${address}"`,
    `[ttrpc]\naddress = "${address}.ttrpc"`,
  ];
  writeFileSync(join(directory, 'config.toml'), config.join('\n'));
  const env = { ...process.env, PATH: `${join(ROOT, 'bin')}:${process.env.PATH}` };
  const child = spawn(program('containerd'), ['-c', join(directory, 'config.toml'), '-l', 'error'], { stdio: 'ignore', env });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  };
  using connection = new GrpcConnection(address);
  await connection.ready(15_000).catch(async (error) => {
    await stop();
    throw error;
  });
  return { address, [Symbol.asyncDispose]: stop };
}

test('images travel and run with containerd below the daemon', async () => {
  await using registry = await startRegistry();
  await using containerd = await startContainerd();
  const flags = ['--bridge', 'none', '--iptables=false', '--ip-forward=false', '--containerd', containerd.address];
  await using daemon = await Berthd.start({ hostNetwork: true, flags });
  const docker = async (...args: string[]) => {
    const result = await daemon.docker(args);
    assert.equal(result.code, 0, `docker ${args.join(' ')}: ${result.stderr}\n${daemon.log}`);
    return result.stdout.trim();
  };
  const name = `${registry.host}/through/containerd:1`;
  await daemon.importBusybox('made');
  const id = await docker('images', '-q', '--no-trunc', 'made');
  await docker('tag', 'made', name);
  assert.match(await docker('push', name), /: Pushed\n/);
  await docker('rmi', name, 'made');
  assert.equal(await docker('images', '-q'), '');
  assert.match(await docker('pull', name), /Pull complete\nDigest: sha256:/);
  assert.equal(await docker('images', '-q', '--no-trunc', name), id);
  assert.equal(await docker('run', '--rm', '--network', 'none', name, 'echo', 'through containerd'), 'through containerd');

  // What the runtime made to mount over is no change of the container's.
  await docker('run', '--name', 'changed', '--network', 'none', name, 'sh', '-c', 'echo new > /new; mkdir -p /kept/empty');
  const committed = await docker('commit', 'changed', 'committed');
  assert.equal(await docker('run', '--rm', '--network', 'none', 'committed', 'cat', '/new'), 'new');
  await docker('save', '-o', join(daemon.directory, 'committed.tar'), 'committed');
  assert.deepEqual(lastLayerOf(join(daemon.directory, 'committed.tar')), ['kept/', 'kept/empty/', 'new']);
  await docker('rm', 'changed');
  await docker('rmi', committed);

  const platform = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
  const image = await storeImage(`${registry.host}/index`, {
    family: 'oci',
    layers: [[{ name: 'a', body: 'a' }], [{ name: '.wh.a' }]],
    platform,
  });
  const index = await storeIndex(`${registry.host}/index:1`, 'oci', [{ ...image.manifest, platform }]);
  await docker('pull', '-q', `${registry.host}/index:1`);
  assert.equal(
    await docker('image', 'inspect', '-f', '{{index .RepoDigests 0}}', `${registry.host}/index:1`),
    `${registry.host}/index@${index.digest}`,
  );
  assert.match((await daemon.docker(['pull', `${registry.host}/index:2`])).stderr, /not found: manifest unknown: manifest unknown/);
});

/** Names in the uppermost layer of a saved image. */
function lastLayerOf(archive: string): string[] {
  const [{ Layers }] = JSON.parse(execFileSync('tar', ['-xOf', archive, 'manifest.json'], { encoding: 'utf8' }));
  const layer = execFileSync('tar', ['-xOf', archive, Layers.at(-1)]);
  return execFileSync('tar', ['-tzf', '-'], { input: layer, encoding: 'utf8' }).trim().split('\n');
}

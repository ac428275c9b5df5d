// berth-registry below the clients that people have: skopeo, podman, docker with berthd, each pushing and pulling.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';
import { podmanIn } from '../harness/podman.ts';
import { program, type Result, run } from '../harness/programs.ts';
import { storeImage, storeIndex } from '../registry/test-image.ts';
import { BerthRegistry } from './berth-registry.ts';

let registry: BerthRegistry;
before(async () => {
  registry = await BerthRegistry.start();
});
after(() => registry[Symbol.asyncDispose]());

const LAYERS = [[{ name: 'etc/' }, { name: 'etc/hello', body: 'hello' }], [{ name: 'bye', body: 'bye' }]];

async function succeed(result: Promise<Result>, what: string): Promise<string> {
  const { code, stdout, stderr } = await result;
  assert.equal(code, 0, `${what}: ${stderr}\n${registry.log.split('\n').slice(-12).join('\n')}`);
  return stdout.trim();
}

function skopeo(...args: string[]): Promise<string> {
  const env = { ...process.env, HOME: registry.directory };
  return succeed(run(program('skopeo'), ['--insecure-policy', ...args], { env }), `skopeo ${args.join(' ')}`);
}

for (const family of ['docker', 'oci'] as const) {
  test(`skopeo copies a ${family} index out, in, and within`, async () => {
    const name = `${registry.host}/team/${family}`;
    const image = await storeImage(name, { family, layers: LAYERS });
    const platform = { os: 'linux', architecture: 'amd64' };
    const index = await storeIndex(`${name}:1`, family, [{ ...image.manifest, platform }]);
    const insecure = ['--src-tls-verify=false', '--dest-tls-verify=false'];
    const layout = join(registry.directory, `layout-${family}`);
    await skopeo('copy', '--all', '--src-tls-verify=false', `docker://${name}:1`, `dir:${layout}`);
    await skopeo('copy', '--all', '--dest-tls-verify=false', `dir:${layout}`, `docker://${name}-back:2`);
    await skopeo('copy', '--all', ...insecure, `docker://${name}:1`, `docker://${name}-mounted:3`);
    for (const copy of [`${name}-back:2`, `${name}-mounted:3`]) {
      const raw = await skopeo('inspect', '--raw', '--tls-verify=false', `docker://${copy}`);
      const { manifests } = JSON.parse(raw) as { manifests: { digest: string }[] };
      assert.equal(manifests[0]!.digest, image.manifest.digest);
    }
    const tags = JSON.parse(await skopeo('list-tags', '--tls-verify=false', `docker://${name}`)) as { Tags: string[] };
    assert.deepEqual(tags.Tags, ['1']);
    await skopeo('delete', '--tls-verify=false', `docker://${name}:1`);
    const gone = await registry.fetch(`/v2/team/${family}/manifests/${index.digest}`);
    assert.equal(gone.status, 404);
  });
}

test('podman pushes and pulls', async (context) => {
  const podman = await podmanIn(registry.directory);
  if (!podman) return context.skip('podman is not installed');
  const call = (...args: string[]) => succeed(podman(...args), `podman ${args.join(' ')}`);
  const name = `${registry.host}/podman/app:1`;
  const digest = join(registry.directory, 'digest');
  await storeImage(name, { family: 'oci', layers: LAYERS });
  await call('pull', '-q', '--tls-verify=false', name);
  await call('tag', name, `${registry.host}/podman/copy:1`);
  await call('push', '-q', '--tls-verify=false', '--digestfile', digest, `${registry.host}/podman/copy:1`);
  const answer = await registry.fetch('/v2/podman/copy/manifests/1');
  assert.equal(answer.headers.get('docker-content-digest'), readFileSync(digest, 'utf8'));
  await call('rmi', '-a', '-f');
  await call('pull', '-q', '--tls-verify=false', `${registry.host}/podman/copy:1`);
});

test('docker and berthd push and pull, and a layer is mounted in the next repository', async () => {
  await using daemon = await Berthd.start({ hostNetwork: true, flags: ['--bridge', 'none', '--iptables=false', '--ip-forward=false'] });
  const docker = (...args: string[]) => succeed(daemon.docker(args), `docker ${args.join(' ')}`);
  const name = `${registry.host}/berth/app:1`;
  await daemon.importBusybox('made');
  const id = await docker('images', '-q', '--no-trunc', 'made');
  await docker('tag', 'made', name);
  await docker('tag', 'made', `${registry.host}/berth/second:1`);
  assert.match(await docker('push', name), /: Pushed\n1: digest: sha256:/);
  assert.match(await docker('push', `${registry.host}/berth/second:1`), /: Mounted from /);
  await docker('rmi', name, `${registry.host}/berth/second:1`, 'made');
  assert.match(await docker('pull', name), /Status: Downloaded newer image/);
  assert.equal(await docker('images', '-q', '--no-trunc', name), id);
  await docker('pull', '-q', `${registry.host}/berth/second:1`);
  assert.equal((await daemon.docker(['pull', `${registry.host}/berth/app:2`])).code, 1);
});

test('docker logs in to a registry with users, and pulls from one that is open for reading without', async () => {
  const flags = (directory: string) => {
    writeFileSync(join(directory, 'htpasswd'), 'alice:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n');
    return ['--htpasswd', join(directory, 'htpasswd'), '--anonymous-pull'];
  };
  await using locked = await BerthRegistry.start({ flags });
  await using daemon = await Berthd.start({ hostNetwork: true, flags: ['--bridge', 'none', '--iptables=false', '--ip-forward=false'] });
  const name = `${locked.host}/team/app:1`;
  await daemon.importBusybox(name);
  const push = await daemon.docker(['push', name]);
  assert.equal(push.code, 1);
  assert.match(push.stderr, /unauthorized|denied/);
  assert.equal((await daemon.docker(['login', '-u', 'alice', '-p', 'wrong', locked.host])).code, 1);
  assert.equal((await daemon.docker(['login', '-u', 'alice', '-p', 'secret', locked.host])).code, 0);
  await succeed(daemon.docker(['push', name]), 'push');
  await succeed(daemon.docker(['logout', locked.host]), 'logout');
  await succeed(daemon.docker(['rmi', name]), 'rmi');
  await succeed(daemon.docker(['pull', name]), 'pull');
});

test('berthd pulls its images through a cache that stands before Docker Hub for it', async () => {
  await storeImage(`${registry.host}/library/mirrored:1`, { family: 'docker', layers: LAYERS });
  await using cache = await BerthRegistry.start({ flags: () => ['--proxy', `http://${registry.host}`] });
  const flags = ['--bridge', 'none', '--iptables=false', '--ip-forward=false', '--registry-mirror', `http://${cache.host}`];
  await using daemon = await Berthd.start({ hostNetwork: true, flags });
  await succeed(daemon.docker(['pull', 'mirrored:1']), 'pull');
  const { tags } = (await (await cache.fetch('/v2/library/mirrored/tags/list')).json()) as { tags: string[] };
  assert.deepEqual(tags, ['1']);
});

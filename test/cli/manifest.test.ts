// `manifest`: lists put together, looked at and pushed without a daemon, by docker's client and by Berth's over the same store, who print
// the same to the byte and make lists of the same digest.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { dockerClient, type Result, ROOT, run } from '../harness/programs.ts';
import { type RegistryProcess, startRegistry } from '../registry/registry-process.ts';
import { openRepository, storeImage } from '../registry/test-image.ts';

const CLIENTS = { docker: dockerClient(), berth: join(ROOT, 'bin', 'berth') };

let registry: RegistryProcess;
let directory: string;
before(async () => {
  registry = await startRegistry();
  directory = mkdtempSync(join(tmpdir(), 'berth-manifest-'));
  for (const [architecture, family] of [
    ['amd64', 'docker'],
    ['arm64', 'oci'],
  ] as const) {
    const layers = [[{ name: 'arch', body: architecture }]];
    await storeImage(`${registry.host}/app:${architecture}`, { family, layers, platform: { os: 'linux', architecture } });
  }
  const platform = { os: 'linux', architecture: 's390x' };
  await storeImage(`${registry.host}/other:s390x`, { family: 'docker', layers: [[{ name: 'other', body: 'other' }]], platform });
});
after(async () => {
  rmSync(directory, { recursive: true, force: true });
  await registry[Symbol.asyncDispose]();
});

function manifest(client: keyof typeof CLIENTS, config: string, ...args: string[]): Promise<Result> {
  return run(CLIENTS[client], ['manifest', ...args], { env: { ...process.env, DOCKER_CONFIG: join(directory, config) } });
}

/** All that a sequence of commands prints and leaves in the store. */
async function session(client: keyof typeof CLIENTS, commands: readonly (readonly string[])[]): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (const command of commands) {
    const { code, stdout, stderr } = await manifest(client, client, ...command);
    const store = join(directory, client, 'manifests');
    const files = readdirSync(directory).includes(client) ? readdirSync(store, { recursive: true, encoding: 'utf8' }).sort() : [];
    const contents = files.filter((name) => name.includes('/')).map((name) => JSON.parse(readFileSync(join(store, name), 'utf8')));
    seen.push({ command, code, stdout, stderr: stderr.trim(), files, contents });
  }
  return seen;
}

test('docker and berth do, print and keep the same', async () => {
  const { host } = registry;
  const app = `${host}/app`;
  const list = `${app}:list`;
  const commands = [
    ['create', '--insecure', list, `${app}:amd64`, `${app}:arm64`],
    ['create', '--insecure', list, `${host}/other:s390x`],
    ['create', '--insecure', '--amend', list, `${host}/other:s390x`],
    ['annotate', list, `${app}:arm64`, '--variant', 'v8', '--os-features', 'a,b', '--os-version', '10'],
    ['annotate', list, `${app}:arm64`, '--arch', 'nonsense', '--os', 'linux'],
    ['annotate', list, `${app}:missing`, '--arch', 'arm64'],
    ['inspect', list],
    ['inspect', '-v', list],
    ['inspect', list, `${app}:arm64`],
    ['inspect', list, `${app}:missing`],
    ['inspect', '--insecure', `${app}:arm64`],
    ['inspect', '--insecure', '-v', `${app}:amd64`],
    ['inspect', '--insecure', `${app}:missing`],
    ['create', '--insecure', `${app}:second`, `${app}:missing`],
    ['push', '--insecure', list],
    ['push', '--insecure', `${app}:unknown`],
    ['push', '--insecure', '--purge', list],
    ['inspect', '--insecure', list],
    ['inspect', '--insecure', '-v', list],
    ['create', '--insecure', `${app}:nested`, list],
    ['create', '--insecure', `${app}:third`, `${app}:arm64`, `${app}:amd64`],
    ['inspect', `${app}:third`],
    ['rm', `${app}:third`, `${app}:unknown`],
    ['create', '--insecure', 'localhost:1/elsewhere:1', `${app}:amd64`],
    ['push', '--insecure', 'localhost:1/elsewhere:1'],
  ];
  const theirs = await session('docker', commands);
  const ours = await session('berth', commands);
  for (const [position, step] of theirs.entries()) assert.deepEqual(ours[position], step);
});

test('a pushed list is whole: what it names is in its repository', async () => {
  const { host } = registry;
  const list = `${host}/gathered:1`;
  assert.equal((await manifest('berth', 'whole', 'create', list, `${host}/app:amd64`, `${host}/other:s390x`)).code, 0);
  const pushed = await manifest('berth', 'whole', 'push', list);
  assert.equal(pushed.code, 0, pushed.stderr);
  using repository = await openRepository(list);
  const { descriptor, bytes } = await repository.manifest('1');
  assert.equal(pushed.stdout.trim().split('\n').at(-1), descriptor.digest);
  for (const { digest } of JSON.parse(bytes.toString()).manifests) {
    const { config, layers } = JSON.parse((await repository.manifest(digest)).bytes.toString());
    for (const blob of [config, ...layers]) assert.ok(await repository.hasBlob(blob.digest));
  }
});

test('a list of damaged files is told by its path', async () => {
  const path = join(directory, 'damaged', 'manifests', 'docker.io_library_x-1');
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'docker.io_library_y-1'), '{');
  const { code, stderr } = await manifest('berth', 'damaged', 'inspect', 'x:1');
  assert.equal(code, 1);
  assert.match(stderr, /docker\.io_library_y-1 is no manifest: .*; remove the list with manifest rm/);
});

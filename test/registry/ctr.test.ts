// containerd's own client against Berth's lifecycle service and docker-registry: pull, list, check, push, and a container of what was
// pulled. Old versions of ctr do the work themselves over Content, Diff and Snapshots; new ones ask Transfer.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { busyboxRootfs } from '../harness/busybox.ts';
import { program, run } from '../harness/programs.ts';
import { Laboratory } from '../lifecycle/laboratory.ts';
import { type RegistryProcess, startRegistry } from './registry-process.ts';
import { openRepository, storeArchives, storeImage, storeIndex } from './test-image.ts';

let registry: RegistryProcess;
before(async () => {
  registry = await startRegistry();
});
after(() => registry[Symbol.asyncDispose]());

function client(laboratory: Laboratory): (...args: string[]) => Promise<string> {
  return async (...args) => {
    const result = await run(program('ctr'), ['--address', laboratory.address, '--namespace', 'ctr', ...args]);
    assert.equal(result.code, 0, `ctr ${args.join(' ')}: ${result.stderr}\n${laboratory.output}`);
    return result.stdout;
  };
}

test('an index is pulled, checked, listed and pushed', async (t) => {
  const laboratory = await Laboratory.open(t);
  const ctr = client(laboratory);
  const repository = `${registry.host}/index`;
  const platform = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
  const image = await storeImage(repository, {
    family: 'oci',
    compression: 'gzip',
    layers: [[{ name: 'a', body: 'a' }], [{ name: '.wh.a' }]],
    platform,
  });
  const index = await storeIndex(`${repository}:1`, 'oci', [{ ...image.manifest, platform }]);
  await ctr('images', 'pull', '--plain-http', `${repository}:1`);
  assert.match(await ctr('images', 'ls'), new RegExp(`${repository}:1 +application/vnd.oci.image.index.v1\\+json +${index.digest}`));
  assert.match(await ctr('images', 'check'), /complete \(3\/3\).*true/);
  assert.match(await ctr('snapshots', 'ls'), /Committed/);
  await ctr('images', 'push', '--plain-http', `${registry.host}/copy:1`, `${repository}:1`);
  using copy = await openRepository(`${registry.host}/copy`);
  assert.deepEqual(await copy.head('1'), index);
});

test('a pulled image runs in Berth’s shim', async (t) => {
  const laboratory = await Laboratory.open(t);
  const ctr = client(laboratory);
  const name = `${registry.host}/busybox:1`;
  await storeArchives(name, { family: 'docker', layers: [], config: { Env: ['PATH=/bin'], Cmd: ['sh'] } }, [busyboxRootfs()]);
  await ctr('images', 'pull', '--plain-http', name);
  const output = await ctr(
    'run',
    '--rm',
    '--runtime',
    'io.containerd.berth.v1',
    name,
    'from-registry',
    'sh',
    '-c',
    'echo $$ in $(ls / | wc -l)',
  );
  assert.match(output, /^1 in \d+\n$/);
  await ctr('images', 'rm', '--sync', name);
  assert.equal((await ctr('content', 'ls', '-q')).trim(), '');
});

import assert from 'node:assert/strict';
import { tar } from '../harness/tar-archive.ts';
import { withBothClients } from './both-clients.ts';

withBothClients('system df and prune', {
  'what images share with used ones can be reclaimed, and every client counts so': async ({ client, daemon, unique }) => {
    const [name, image] = [unique(), unique()];
    await client(['run', '--name', name, 'busybox', 'sh', '-c', 'head -c 300000 /dev/zero >/x']);
    await client(['commit', name, image]);
    const format = ['system', 'df', '--format', '{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}}'];
    assert.equal((await client(format)).stdout, (await daemon.docker(format)).stdout);
    assert.match((await client(format)).stdout, /^Images 2 1 (\S+) \1 \(100%\)\n/);
    await client(['rm', name]);
    await client(['rmi', image]);
  },
  'system df counts images, containers and volumes': async ({ client, unique }) => {
    const [name, volume] = [unique(), unique()];
    await client([
      'run',
      '--name',
      name,
      '-v',
      `${volume}:/data`,
      'busybox',
      'sh',
      '-c',
      'head -c 1000000 /dev/zero >/data/x; head -c 2000000 /dev/zero >/x',
    ]);
    const lines = (await client(['system', 'df'])).stdout.split('\n').map((line) => line.split(/ {2,}/));
    assert.deepEqual(lines[0], ['TYPE', 'TOTAL', 'ACTIVE', 'SIZE', 'RECLAIMABLE']);
    assert.deepEqual(lines[1]?.slice(0, 3), ['Images', '1', '1']);
    assert.match(lines[2]?.join(' ') ?? '', /^Containers 1 0 2(\.\d+)?MB 2(\.\d+)?MB \(100%\)$/);
    assert.match(lines[3]?.join(' ') ?? '', /^Local Volumes 1 1 1(\.\d+)?MB 0B \(0%\)$/);
    const verbose = (await client(['system', 'df', '-v'])).stdout;
    assert.match(verbose, /Images space usage:\n\nREPOSITORY +TAG +IMAGE ID/);
    assert.match(verbose, new RegExp(`\n${volume} +1 +1(\\.\\d+)?MB\n`));
    assert.equal(JSON.parse((await client(['system', 'df', '--format', 'json'])).stdout.split('\n')[0] ?? '').Type, 'Images');
    await client(['rm', name]);
    await client(['volume', 'rm', volume]);
  },
  'system df counts the build cache, and prune gives back what it said': async ({ client, daemon, unique }) => {
    await daemon.docker(['builder', 'prune', '-af']);
    const image = unique();
    const context = tar([{ name: 'Dockerfile', body: 'FROM busybox\nRUN head -c 3000000 /dev/zero >/x\nENV a=b\n' }]);
    for (let times = 0; times < 2; times++) {
      const { code, stderr } = await daemon.docker(['build', '-t', image, '-'], { input: context });
      assert.equal(code, 0, stderr);
    }
    const both = async (...args: string[]) => {
      const { stdout } = await client(['system', 'df', ...args]);
      assert.equal(stdout, (await daemon.docker(['system', 'df', ...args])).stdout);
      return stdout;
    };
    const format = ['--format', '{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}}'];
    // While the image has the layer, the cache has nothing of its own.
    assert.match(await both(...format), /^Build Cache 2 0 0B 0B$/m);
    await client(['rmi', image]);
    assert.match(await both(...format), /^Build Cache 2 0 3(\.\d+)?MB 3(\.\d+)?MB$/m);
    const verbose = await both('-v');
    assert.match(verbose, /\nBuild cache usage: 3(\.\d+)?MB\n\nCACHE ID +CACHE TYPE +SIZE +CREATED +LAST USED +USAGE +SHARED\n/);
    assert.match(verbose, /\n[0-9a-f]{12} +regular +3(\.\d+)?MB .* ago +2 +false\n/);
    assert.match((await daemon.docker(['builder', 'prune', '-af'])).stdout, /Total reclaimed space: 3(\.\d+)?MB/);
    assert.match(await both(...format), /^Build Cache 0 0 0B 0B$/m);
  },
  'image prune and its filters': async ({ client }) => {
    const load = async (name: string, label: string) =>
      (await client(['import', '-c', `LABEL kind=${label}`, '-', name], { input: tar([{ name: label, body: label }]) })).stdout.trim();
    const first = await load('pruned:1', 'a');
    await load('pruned:1', 'b');
    const second = await load('pruned:2', 'c');
    const prune = async (...args: string[]) => (await client(['image', 'prune', '-f', ...args])).stdout;
    assert.match(await prune('--filter', 'label=kind=z'), /^Total reclaimed space: 0B\n$/);
    assert.match(await prune('--filter', 'label!=kind=a'), /^Total reclaimed space: 0B\n$/);
    assert.match(await prune('--filter', 'until=1h'), /^Total reclaimed space: 0B\n$/);
    assert.match(await prune(), new RegExp(`Deleted Images:\ndeleted: ${first}\n`));
    assert.match(await prune('-a', '--filter', 'label=kind=c'), new RegExp(`untagged: pruned:2\ndeleted: ${second}\n`));
    assert.equal((await client(['images', '-q', 'pruned'])).stdout.trim().split('\n').length, 1);
    assert.match((await client(['image', 'prune', '-f', '--filter', 'nonsense=1'])).stderr, /invalid filter 'nonsense'/);
    await client(['rmi', 'pruned:1']);
  },
});

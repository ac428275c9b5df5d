// The verbs on images, as far as they are not about registries' formats: filters of the list and of prune, refusals of rmi, import and commit
// with their flags, all tags of a repository at once.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { tar } from '../harness/tar-archive.ts';
import { type RegistryProcess, startRegistry } from '../registry/registry-process.ts';
import { storeImage } from '../registry/test-image.ts';
import { type Bench, withBothClients } from './both-clients.ts';

let registry: RegistryProcess;
before(async () => {
  registry = await startRegistry();
});
after(() => registry[Symbol.asyncDispose]());

function verbs({ client, name }: Bench) {
  return {
    async ok(...args: string[]): Promise<string> {
      const { code, stdout, stderr } = await client(args);
      assert.equal(code, 0, `${name} ${args.join(' ')}: ${stderr}`);
      return stdout.trim();
    },
    async refused(...args: string[]): Promise<string> {
      const { code, stderr, stdout } = await client(args);
      assert.equal(code, 1, `${name} ${args.join(' ')} did not fail: ${stdout}`);
      return stderr.trim().replace(/^Error response from daemon: /, '');
    },
    /** The id of an image of one file that nobody else has. */
    async made(reference: string, ...flags: string[]): Promise<string> {
      const { code, stdout, stderr } = await client(['import', ...flags, '-', ...(reference ? [reference] : [])], {
        input: tar([{ name: 'unique', body: `${Math.random()}` }]),
      });
      assert.equal(code, 0, stderr);
      return stdout.trim();
    },
  };
}

withBothClients(
  'images',
  {
    'the list by its filters': async (bench) => {
      const { ok, refused, made } = verbs(bench);
      const first = await made('filtered/one:1', '-c', 'LABEL kind=a', '-c', 'LABEL stage=test');
      const second = await made('filtered/two:1', '-c', 'LABEL kind=b');
      const nameless = await made('', '-c', 'LABEL kind=a');
      await ok('tag', 'filtered/one:1', 'filtered/one:also');
      const ids = async (...filters: string[]) =>
        (await ok('images', '-q', '--no-trunc', ...filters.flatMap((filter) => ['--filter', filter]))).split('\n').filter(Boolean);
      assert.deepEqual(new Set(await ids('label=kind=a')), new Set([first, nameless]));
      assert.deepEqual(new Set(await ids('label=kind=a', 'label=stage')), new Set([first]));
      assert.deepEqual(await ids('dangling=true', 'label=kind'), [nameless]);
      assert.deepEqual(new Set(await ids('dangling=false', 'label=kind')), new Set([first, second]));
      assert.deepEqual(await ids('reference=filtered/t*'), [second]);
      // Names that were not asked for are not shown.
      assert.deepEqual(await ids('reference=*/one:a*', 'label=kind'), [first]);
      assert.equal(await ok('images', '--format', '{{.Repository}}:{{.Tag}}', 'filtered/one:also'), 'filtered/one:also');
      assert.deepEqual(await ids('before=filtered/two:1', 'label=kind'), [first, first]);
      assert.deepEqual(await ids(`since=${first}`, 'label=kind', 'dangling=false'), [second]);
      assert.deepEqual(await ids('until=2020-01-01T00:00:00Z'), []);
      assert.ok((await ids('until=0s', 'label=kind')).length >= 3);
      assert.match(await refused('images', '--filter', 'since=not-there'), /No such image: not-there:latest/);
      assert.match(await refused('images', '--filter', 'dangling=perhaps'), /invalid filter 'dangling=\[perhaps\]'/);
      assert.match(await ok('images', '--digests', 'filtered/one'), /REPOSITORY +TAG +DIGEST +IMAGE ID[\s\S]*filtered\/one +also +<none>/);
      await ok('rmi', 'filtered/one:1', 'filtered/one:also', 'filtered/two:1', nameless);
    },
    'what is removed, what only loses a name, and what is refused': async (bench) => {
      const { ok, refused, made } = verbs(bench);
      const id = await made('removed:1', '-c', 'CMD ["x"]');
      const short = id.slice(7, 19);
      await ok('tag', 'removed:1', 'removed:2');
      assert.equal(await ok('rmi', 'removed:2'), 'Untagged: removed:2');
      await ok('tag', 'removed:1', 'removed:2');
      // Several tags of one repository are several references.
      assert.equal(
        await refused('rmi', short),
        `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
      );
      assert.match(await ok('rmi', '-f', short), new RegExp(`^Untagged: removed:1\nUntagged: removed:2\nDeleted: ${id}`));
      assert.equal(await refused('rmi', short), `No such image: ${short}:latest`);
      assert.match(await refused('rmi', 'UPPER'), /repository name \(library\/UPPER\) must be lowercase|No such image/);

      const used = await made('used:1', '-c', 'CMD ["x"]');
      const container = await ok('create', 'used:1');
      assert.match(
        await refused('rmi', 'used:1'),
        /^conflict: unable to remove repository reference "used:1" \(must force\) - container [0-9a-f]{12} is using its referenced image/,
      );
      // The container keeps its files; only the image is gone.
      assert.equal(await ok('rmi', '-f', 'used:1'), `Untagged: used:1\nDeleted: ${used}`);
      await ok('rm', container);
      const nameless = await made('');
      assert.match(await ok('rmi', '--no-prune', nameless), new RegExp(`^Deleted: ${nameless}`));

      const pushed = `${registry.host}/${bench.unique()}:1`;
      await storeImage(pushed, { family: 'docker', layers: [[{ name: 'f', body: pushed }]] });
      await ok('pull', '-q', pushed);
      const digest = await ok('image', 'inspect', '-f', '{{index .RepoDigests 0}}', pushed);
      assert.equal(await ok('rmi', digest), `Untagged: ${digest}`);
      assert.match(await ok('rmi', pushed), /^Untagged: .*:1\nDeleted: sha256:/);
    },
    'prune and its filters': async (bench) => {
      const { ok, made } = verbs(bench);
      const kept = await made('', '-c', 'LABEL keep=yes');
      const old = await made('');
      const tagged = await made('pruned:1', '-c', 'LABEL prune=this');
      assert.match(await ok('image', 'prune', '-f', '--filter', 'until=1h'), /Total reclaimed space: 0B$/);
      assert.match(await ok('image', 'prune', '-f', '--filter', 'label!=keep'), new RegExp(`deleted: ${old}\n`));
      assert.match(await ok('image', 'inspect', '-f', '{{.Id}}', kept), new RegExp(kept));
      assert.match(
        await ok('image', 'prune', '-af', '--filter', 'label=prune=this'),
        new RegExp(`untagged: pruned:1\ndeleted: ${tagged}\n`),
      );
      assert.match(await ok('image', 'prune', '-f'), new RegExp(`deleted: ${kept}\n`));
    },
    'import and commit with all that they can be told': async (bench) => {
      const { ok, refused, made } = verbs(bench);
      await made(
        'told:1',
        '--platform',
        'linux/arm64',
        '-m',
        'why',
        '-c',
        'ENV A=1',
        '-c',
        'ENTRYPOINT ["e"]',
        '-c',
        'EXPOSE 80',
        '-c',
        'USER 7',
      );
      assert.equal(
        await ok(
          'image',
          'inspect',
          '-f',
          '{{.Os}}/{{.Architecture}} {{.Comment}} {{.Config.Env}} {{.Config.Entrypoint}} {{json .Config.ExposedPorts}} {{.Config.User}}',
          'told:1',
        ),
        'linux/arm64 why [A=1] [e] {"80/tcp":{}} 7',
      );
      assert.match(
        (await bench.client(['import', '-c', 'RUN x', '-', 'told:2'], { input: tar([]) })).stderr,
        /run is not a valid change command/,
      );
      const container = bench.unique();
      await ok('run', '-d', '--name', container, '--network', 'none', 'busybox', 'sh', '-c', 'echo here >/file; sleep 1000');
      for (const [flags, name] of [
        [['-p=false'], 'not-paused'],
        [['-a', 'Somebody <s@example>', '-m', 'a message', '-c', 'WORKDIR /w', '-c', 'CMD ["cat", "/file"]'], 'paused'],
      ] as const) {
        await ok('commit', ...flags, container, `${name}:1`);
        assert.equal(await ok('inspect', '-f', '{{.State.Status}}', container), 'running');
      }
      assert.equal(
        await ok('image', 'inspect', '-f', '{{.Author}}|{{.Comment}}|{{.Config.WorkingDir}}', 'paused:1'),
        'Somebody <s@example>|a message|/w',
      );
      assert.equal(await ok('run', '--rm', '--network', 'none', 'paused:1'), 'here');
      assert.match(await ok('history', '--no-trunc', '--format', '{{.Comment}}|{{.CreatedBy}}', 'paused:1'), /^a message\|sh -c echo here/);
      assert.match(await refused('commit', 'nobody', 'x:1'), /No such container: nobody/);
      await ok('rm', '-f', container);
      await ok('rmi', 'told:1', 'paused:1', 'not-paused:1');
    },
    'an archive of zstd is loaded': async (bench) => {
      const { ok, made } = verbs(bench);
      const id = await made('packed:1');
      const path = `${bench.daemon.directory}/${bench.unique()}.tar`;
      await ok('save', '-o', path, 'packed:1');
      await ok('rmi', 'packed:1');
      const { stdout } = await bench.client(['load', '-q'], { input: zstdCompressSync(readFileSync(path)) });
      assert.equal(stdout, 'Loaded image: packed:1\n');
      assert.equal(await ok('images', '-q', '--no-trunc', 'packed'), id);
      await ok('rmi', 'packed:1');
    },
    'all tags of a repository, there and back': async (bench) => {
      const { ok, refused, made } = verbs(bench);
      const repository = `${registry.host}/${bench.unique()}`;
      const ids = [await made(`${repository}:one`), await made(`${repository}:two`)];
      assert.match(await refused('push', '--all-tags', `${repository}:one`), /tag can't be used with --all-tags\/-a/);
      const pushed = await ok('push', '--all-tags', repository);
      for (const tag of ['one', 'two']) assert.match(pushed, new RegExp(`^${tag}: digest: sha256:`, 'm'));
      await ok('rmi', `${repository}:one`, `${repository}:two`);
      assert.match(await refused('pull', '-a', `${repository}:one`), /tag can't be used with --all-tags\/-a/);
      const pulled = await ok('pull', '-a', '--disable-content-trust', repository);
      for (const tag of ['one', 'two']) assert.match(pulled, new RegExp(`^${tag}: Pulling from `, 'm'));
      assert.equal(pulled.split('\n').at(-1), repository);
      assert.deepEqual(
        [
          await ok('image', 'inspect', '-f', '{{.Id}}', `${repository}:one`),
          await ok('image', 'inspect', '-f', '{{.Id}}', `${repository}:two`),
        ],
        ids,
      );
      await ok('rmi', `${repository}:one`, `${repository}:two`);
    },
  },
  { hostNetwork: true, flags: ['--bridge', 'none', '--iptables=false', '--ip-forward=false'] },
);

// Beyond Docker: rename, export, import and snapshots of volumes, with Berth's client.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';
import { tar } from '../harness/tar-archive.ts';
import { VolumePlugin } from '../harness/volume-plugin.ts';

let daemon: Berthd;
before(async () => {
  daemon = await Berthd.start();
  await daemon.importBusybox();
});
after(() => daemon?.[Symbol.asyncDispose]());

async function good(args: string[], input?: Buffer): Promise<string> {
  const result = await daemon.berth(args, input ? { input } : {});
  assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

const shell = (volume: string, script: string) => good(['run', '--rm', '-v', `${volume}:/v`, 'busybox', 'sh', '-c', script]);
const bad = async (args: string[], words: RegExp, input?: Buffer) => {
  const result = await daemon.berth(args, input ? { input } : {});
  assert.notEqual(result.code, 0, args.join(' '));
  assert.match(result.stderr, words);
};
const LOOK = 'cd /v && find . | sort | xargs stat -c "%n %u:%g %a %h %F %Y"; readlink l; cat a';
const FILL =
  'cd /v && mkdir -p d/e && echo one >a && ln a b && ln -s /etc/passwd l && mkfifo p && chown -h 5:6 a l && chmod 4750 a && chmod 1777 d && chown 7:8 . && chmod 2770 . && find . | xargs touch -h -d @1000000000';

test('rename: files and snapshots go along; not while a container has it, not onto another', async () => {
  await good(['volume', 'create', '--label', 'a=b', 'old-name']);
  await shell('old-name', 'echo kept >/v/f');
  await good(['volume', 'snapshot', 'old-name', 'first']);
  await good(['create', '--name', 'holder', '-v', 'old-name:/v', 'busybox']);
  await bad(['volume', 'rename', 'old-name', 'new-name'], /rename old-name: volume is in use - \[/);
  await good(['rm', 'holder']);
  await good(['volume', 'create', 'other']);
  await bad(['volume', 'rename', 'old-name', 'other'], /a volume named "other" exists already/);
  await bad(['volume', 'rename', 'old-name', '../x'], /includes invalid characters/);
  await bad(['volume', 'rename', 'nosuch', 'x1'], /no such volume/);
  await good(['volume', 'rename', 'old-name', 'new-name']);
  assert.equal(await good(['volume', 'ls', '-q']), 'new-name\nother\n');
  assert.equal(await shell('new-name', 'cat /v/f'), 'kept\n');
  assert.match(await good(['volume', 'snapshot', '--list', 'new-name']), /^SNAPSHOT +CREATED\nfirst +20/);
  assert.equal(
    await good(['volume', 'inspect', '-f', '{{.Labels.a}} {{.Mountpoint}}', 'new-name']),
    `b ${daemon.dataRoot}/volumes/new-name/_data\n`,
  );
  await good(['volume', 'rm', 'new-name', 'other']);
});

test('export and import: all that files are comes back, in place of what was there', async () => {
  const file = join(daemon.directory, 'out.tar');
  await shell('source', FILL);
  await good(['volume', 'export', '-o', file, 'source']);
  await shell('target', 'echo gone >/v/gone');
  await good(['volume', 'import', 'target', file]);
  assert.equal(await shell('target', LOOK), await shell('source', LOOK));
  // Through a pipe, compressed, into a volume that there was not, with a size.
  await good(['volume', 'create', '-o', 'size=20M', 'sized']);
  const zipped = execFileSync('gzip', ['-c', file]);
  for (const name of ['sized', 'made']) {
    await good(['volume', 'import', name], zipped);
    assert.equal(await shell(name, LOOK), await shell('source', LOOK));
  }
  assert.equal((await daemon.berth(['volume', 'export', 'made'])).code, 0);
  await good(['run', '-d', '--name', 'user', '-v', 'made:/v', 'busybox', 'sleep', '60']);
  await bad(['volume', 'import', 'made', file], /volume made is in use by running containers: stop them first/);
  await good(['rm', '-f', 'user']);
  await good(['volume', 'rm', 'source', 'target', 'sized', 'made']);
});

test('a hostile or broken archive changes nothing', async () => {
  await shell('victim', 'echo kept >/v/f');
  const outside = join(daemon.directory, 'outside');
  mkdirSync(outside);
  const archives: [RegExp, Buffer][] = [
    [/name outside of its root/, tar([{ name: '../../escaped', body: 'x' }])],
    [/name outside of its root/, tar([{ name: 'a/../../../escaped', body: 'x' }])],
    [/volumes take none/, device()],
    [/./, tar([{ name: 'a', body: 'x'.repeat(5000) }]).subarray(0, 2000)],
    [/./, Buffer.from('this is no archive at all, but long enough to be looked at'.repeat(20))],
  ];
  for (const [words, archive] of archives) {
    await bad(['volume', 'import', 'victim'], words, archive);
    await bad(['volume', 'import', 'not-there'], words, archive);
  }
  assert.equal(await shell('victim', 'ls -A /v; cat /v/f'), 'f\nkept\n');
  assert.equal(await good(['volume', 'ls', '-q']), 'victim\n');
  // Links lead nowhere but inside: there is no such directory there, or it is the volume itself.
  const through = (target: string) =>
    tar([
      { name: 'link', linkTo: target },
      { name: 'link/file', body: 'x' },
    ]);
  await bad(['volume', 'import', 'victim'], /mkdir "link": file exists/, through(outside));
  await good(['volume', 'import', 'victim'], through('../../..'));
  assert.equal(await shell('victim', 'ls /v'), 'file\nlink\n');
  assert.deepEqual(readdirSync(outside), []);
  assert.ok(!existsSync(join(daemon.dataRoot, 'file')) && !existsSync(join(daemon.dataRoot, 'volumes/file')));
  await good(['volume', 'rm', 'victim']);
});

test('snapshots: kept, listed, restored, removed; a mount has none', async () => {
  await shell('data', FILL);
  const before = await shell('data', LOOK);
  assert.equal(await good(['volume', 'snapshot', 'data', 'before']), 'before\n');
  await bad(['volume', 'snapshot', 'data', 'before'], /has a snapshot before already/);
  await bad(['volume', 'snapshot', 'data', '../x'], /is no name for a snapshot/);
  await shell('data', 'rm -rf /v/a /v/d; echo two >/v/a; touch /v/more');
  assert.match(await good(['volume', 'snapshot', 'data']), /^\d{8}-\d{6}\n$/);
  await bad(['volume', 'snapshot', '--restore', 'data', 'nosuch'], /has no snapshot nosuch/);
  await good(['volume', 'snapshot', '--restore', 'data', 'before']);
  assert.equal(await shell('data', LOOK), before);
  await good(['volume', 'snapshot', '--rm', 'data', 'before']);
  assert.doesNotMatch(await good(['volume', 'snapshot', '--list', 'data']), /before/);
  await good(['volume', 'create', '-o', 'size=20M', 'sized']);
  await shell('sized', FILL);
  await good(['volume', 'snapshot', 'sized', 'one']);
  await shell('sized', 'rm /v/*; touch /v/x');
  await good(['volume', 'snapshot', '--restore', 'sized', 'one']);
  assert.equal(await shell('sized', LOOK), before);
  await good(['volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', 'memory']);
  await bad(
    ['volume', 'snapshot', 'memory', 'x'],
    /stands for a mount \(type tmpfs\): only volumes whose files the engine keeps have snapshots/,
  );
  await good(['volume', 'rm', 'data', 'sized', 'memory']);
  assert.deepEqual(readdirSync(join(daemon.dataRoot, 'volumes')), []);
});

test('a plugin’s volume: exported and imported through the plugin, refused what it cannot do', async () => {
  const files = mkdtempSync(join(tmpdir(), 'berth-plugin-'));
  mkdirSync(join(daemon.execRoot, 'plugins'), { recursive: true });
  {
    await using plugin = await VolumePlugin.listen(join(daemon.execRoot, 'plugins', 'plug.sock'), join(files, 'volumes'));
    await good(['volume', 'create', '-d', 'plug', 'remote']);
    await bad(['volume', 'rename', 'remote', 'other'], /is kept by the plugin plug, which cannot rename it/);
    await bad(['volume', 'snapshot', 'remote'], /is kept by the plugin plug: only volumes whose files the engine keeps have snapshots/);
    await good(['volume', 'import', 'remote'], tar([{ name: 'f', body: 'there' }]));
    assert.equal(readFileSync(join(plugin.path('remote'), 'f'), 'utf8'), 'there');
    await bad(['volume', 'import', 'remote'], /is not empty: only an empty one can be imported to/, tar([{ name: 'g', body: '' }]));
    assert.match(await good(['volume', 'export', 'remote']), /\.\/f\0.*there/s);
    assert.equal(plugin.mounted.get('remote')?.size, 0);
    await good(['volume', 'rm', 'remote']);
  }
  rmSync(files, { recursive: true });
});

test('killed in the middle: the old content or the new, and nothing beside it', async () => {
  await shell('crash', 'for i in $(seq 500); do echo $i >/v/$i; done');
  await good(['volume', 'snapshot', 'crash', 'full']);
  await shell('crash', 'rm /v/*; echo old >/v/old');
  for (const delay of [5, 30, 60, 90, 130]) {
    const asked = daemon.berth(['volume', 'snapshot', '--restore', 'crash', 'full']);
    const taken = daemon.berth(['volume', 'snapshot', 'crash', `at-${delay}`]);
    await new Promise((resolve) => setTimeout(resolve, delay));
    await daemon.kill();
    await Promise.all([asked, taken]);
    await daemon.launch();
    const names = (await shell('crash', 'ls /v')).split('\n').filter(Boolean);
    assert.ok((names.length === 1 && names[0] === 'old') || names.length === 500, `after ${delay} ms: ${names.length} files`);
    const directory = join(daemon.dataRoot, 'volumes/crash');
    for (let waited = 0; waited < 3000 && readdirSync(directory).length > 2; waited += 20)
      await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(readdirSync(directory).sort(), ['_data', '_snapshots']);
    const listed = (await good(['volume', 'snapshot', '--list', '--format', '{{.Name}}', 'crash'])).split('\n').filter(Boolean);
    const kept = () => readdirSync(join(directory, '_snapshots')).sort();
    for (let waited = 0; waited < 3000 && kept().length > listed.length; waited += 20)
      await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(kept(), listed.sort());
    if (names.length === 500) await shell('crash', 'rm /v/*; echo old >/v/old');
  }
  await good(['volume', 'rm', 'crash']);
  writeFileSync(join(daemon.directory, 'done'), '');
});

/** A character device 1:1, memory. */
function device(): Buffer {
  const archive = tar([{ name: 'mem' }]);
  archive.write('3', 156);
  archive.write('0000001\0', 329);
  archive.write('0000001\0', 337);
  archive.write('        ', 148);
  const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return archive;
}

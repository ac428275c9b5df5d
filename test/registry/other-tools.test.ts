// Images between Berth and other programs of their trade: skopeo copies out of and into the engine by the Engine API (its docker-daemon
// transport), and umoci unpacks what Berth has pushed to the very files that a container of it sees.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';
import { program, run } from '../harness/programs.ts';
import { type RegistryProcess, startRegistry } from './registry-process.ts';
import { storeImage } from './test-image.ts';

let registry: RegistryProcess;
let daemon: Berthd;
let work: string;
before(async () => {
  work = mkdtempSync(join(tmpdir(), 'berth-tools-'));
  registry = await startRegistry();
  daemon = await Berthd.start({ hostNetwork: true, flags: ['--bridge', 'none', '--iptables=false', '--ip-forward=false'] });
  await daemon.importBusybox('made:1');
});
after(async () => {
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon.docker(args);
  assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

async function tool(name: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program(name), args, { env: { ...process.env, HOME: work } });
  assert.equal(code, 0, `${name} ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

const idOf = (name: string) => docker('image', 'inspect', '-f', '{{.Id}}', name);

test('skopeo copies out of the engine and into it, and the image stays the same', async () => {
  const socket = `unix://${daemon.socket}`;
  const id = await idOf('made:1');
  for (const target of [`docker-archive:${work}/archive.tar:out:1`, `oci:${work}/layout:1`, `docker://${registry.host}/by-skopeo:1`]) {
    await tool(
      'skopeo',
      '--insecure-policy',
      'copy',
      '-q',
      '--dest-tls-verify=false',
      '--src-daemon-host',
      socket,
      'docker-daemon:made:1',
      target,
    );
  }
  const inspected = JSON.parse(await tool('skopeo', 'inspect', '--daemon-host', socket, '--config', 'docker-daemon:made:1'));
  assert.deepEqual(inspected.rootfs.diff_ids, JSON.parse(await docker('image', 'inspect', '-f', '{{json .RootFS.Layers}}', 'made:1')));
  for (const [position, source] of [`docker-archive:${work}/archive.tar`, `docker://${registry.host}/by-skopeo:1`].entries()) {
    const name = `returned:${position}`;
    await tool(
      'skopeo',
      '--insecure-policy',
      'copy',
      '-q',
      '--src-tls-verify=false',
      '--dest-daemon-host',
      socket,
      source,
      `docker-daemon:${name}`,
    );
    assert.equal(await idOf(name), id);
    assert.equal(await docker('run', '--rm', '--network', 'none', name, '/bin/echo', 'runs'), 'runs');
    await docker('rmi', name);
  }
  assert.equal((await daemon.docker(['load', '-q', '-i', join(work, 'archive.tar')])).stdout, 'Loaded image: out:1\n');
  await docker('rmi', 'out:1');
});

test('an OCI layout of skopeo’s is loaded as it is', async () => {
  const name = `${registry.host}/layouts:1`;
  const image = await storeImage(name, {
    family: 'oci',
    compression: 'zstd',
    layers: [[{ name: 'a', body: 'a' }], [{ name: 'b', body: 'b' }]],
  });
  const archive = join(work, 'layout.tar');
  await tool(
    'skopeo',
    '--insecure-policy',
    'copy',
    '-q',
    '--src-tls-verify=false',
    `docker://${name}`,
    `oci-archive:${archive}:laid/out:1`,
  );
  assert.equal(await docker('load', '-q', '-i', archive), 'Loaded image: laid/out:1');
  assert.equal(await idOf('laid/out:1'), image.config.digest);
  await docker('tag', 'laid/out:1', `${registry.host}/layouts:again`);
  assert.match(await docker('push', `${registry.host}/layouts:again`), new RegExp(`digest: ${image.manifest.digest} `));
  await docker('rmi', 'laid/out:1', `${registry.host}/layouts:again`);
});

test('umoci unpacks what Berth pushed', async (context) => {
  if ((await run(program('umoci'), ['--version']).catch(() => undefined))?.code !== 0) return context.skip('umoci is not installed');
  const script =
    'mkdir -p /d/e; echo one >/d/e/f; ln /d/e/f /hard; ln -s d/e /soft; chmod 4751 /d/e/f; mknod /null c 1 3; mkfifo /fifo; touch -d @86400 /d';
  await docker('run', '--name', 'changed', '--network', 'none', 'made:1', 'sh', '-c', script);
  await docker(
    'run',
    '--name',
    'second',
    '--network',
    'none',
    await docker('commit', 'changed', 'first:1'),
    'sh',
    '-c',
    'rm -r /d; rm /etc/group; echo two >/d',
  );
  await docker('commit', 'second', `${registry.host}/pushed:1`);
  await docker('push', `${registry.host}/pushed:1`);
  await tool(
    'skopeo',
    '--insecure-policy',
    'copy',
    '-q',
    '--src-tls-verify=false',
    `docker://${registry.host}/pushed:1`,
    `oci:${work}/umoci:1`,
  );
  await tool('umoci', 'unpack', '--image', `${work}/umoci:1`, join(work, 'bundle'));
  const list = 'cd "$0" && find . -mindepth 1 ! -path "./dev*" ! -path "./proc*" ! -path "./sys*" -printf "%p %y %m %U %G %s %l\\n" | sort';
  const unpacked = execFileSync('sh', ['-c', list, join(work, 'bundle', 'rootfs')], { encoding: 'utf8' });
  const exported = join(work, 'exported');
  await docker('export', '-o', `${exported}.tar`, await docker('create', `${registry.host}/pushed:1`, 'x'));
  execFileSync('sh', ['-c', 'mkdir "$0" && tar -xpf "$0.tar" -C "$0"', exported]);
  const own = execFileSync('sh', ['-c', list, exported], { encoding: 'utf8' });
  const sizeless = (text: string) => text.replace(/^(\S+ d \S+ \d+ \d+) \d+/gm, '$1');
  const madeByCreate = /^\.\/(\.dockerenv|etc|etc\/(hostname|hosts|resolv\.conf|mtab)) .*\n/gm;
  assert.equal(sizeless(unpacked).replace(madeByCreate, ''), sizeless(own).replace(madeByCreate, ''));
  assert.match(unpacked, /^\.\/d f 644 /m);
  assert.match(unpacked, /^\.\/null c 6/m);
});

// Layers as other programs make them, odd in every way that tar allows, in one image: its files are what they ought to be, and it is pushed,
// saved and loaded with the digest that it came with, to the byte.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { digestOf } from '@berth/oci/digest';
import { type Descriptor, MEDIA_TYPE } from '@berth/oci/image-spec';
import { putManifest, uploadBlob } from '@berth/oci/registry/upload';
import { tarEnd } from '@berth/oci/tar/writer';
import { Berthd } from '../harness/berthd.ts';
import { busyboxRootfs } from '../harness/busybox.ts';
import { directory, file, hardlink, type LayerMember, layer, symlink } from '../lifecycle/layer-fixture.ts';
import { type RegistryProcess, startRegistry } from './registry-process.ts';
import { openRepository } from './test-image.ts';

let registry: RegistryProcess;
let daemon: Berthd;
let work: string;
before(async () => {
  work = mkdtempSync(join(tmpdir(), 'berth-odd-'));
  registry = await startRegistry();
  daemon = await Berthd.start({ hostNetwork: true, flags: ['--bridge', 'none', '--iptables=false', '--ip-forward=false'] });
});
after(async () => {
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

interface Odd {
  /** The archive as its diff id has it. */
  plain: Buffer;
  /** As it is stored; gzip of the above when not given. */
  packed?: Buffer;
  mediaType?: string;
  /** Printed by a shell in a container of the image. */
  look: string;
  sees: string;
}

const long = (count: number) => Array.from({ length: count }, (_, at) => `directory-number-${at}`).join('/');
const withoutEnd = (archive: Buffer) => archive.subarray(0, archive.length - 1024);

/** GNU tar's own archives of a directory that a script fills. */
function gnuTar(format: string, script: string, ...flags: string[]): Buffer {
  const command = `set -e; d=$(mktemp -d); trap 'rm -rf $d' EXIT; cd $d; ${script}; tar --format=${format} --sort=name ${flags.join(' ')} -cf - .`;
  return execFileSync('sh', ['-c', command], { maxBuffer: 64 << 20 });
}

/** A header's numeric field in base 256, and the checksum again. */
function base256(archive: Buffer, field: { at: number; width: number }, value: bigint): Buffer {
  const changed = Buffer.from(archive);
  const bytes = Buffer.alloc(field.width);
  let rest = BigInt.asUintN(field.width * 8, value);
  for (let at = field.width - 1; at >= 0; at--) {
    bytes[at] = Number(rest & 255n);
    rest >>= 8n;
  }
  bytes[0] = (bytes[0] as number) | 0x80;
  bytes.copy(changed, field.at);
  changed.fill(' ', 148, 156);
  const sum = changed.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  changed.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return changed;
}

const MTIME = { at: 136, width: 12 };
const SIZE = { at: 124, width: 12 };
const UID = { at: 108, width: 8 };
const plain = (name: string) => layer(file(name, 'content'));
const two = (members: readonly LayerMember[], others: readonly LayerMember[]): [Buffer, Buffer] => [
  withoutEnd(layer(...members)),
  layer(...others),
];
const [half, otherHalf] = two([file('first', '1')], [file('second', '2')]);

const ODD: Record<string, Odd> = {
  'pax long names': {
    plain: gnuTar('pax', `mkdir -p ${long(12)}; echo deep > ${long(12)}/${'n'.repeat(200)}`),
    look: `cat /${long(12)}/*`,
    sees: 'deep',
  },
  'GNU long names': {
    plain: gnuTar('gnu', `mkdir -p ${long(12)}; echo deep > ${long(12)}/${'n'.repeat(200)}; ln -s ${'t'.repeat(180)} link`),
    look: `cat /${long(12)}/*; readlink /link`,
    sees: `deep\n${'t'.repeat(180)}`,
  },
  'GNU sparse files': {
    plain: gnuTar('gnu', 'truncate -s 40M sparse; printf middle | dd of=sparse bs=1 seek=20000000 conv=notrunc 2>/dev/null', '--sparse'),
    look: 'stat -c %s /sparse; dd if=/sparse bs=1 skip=20000000 count=6 2>/dev/null; [ $(stat -c %b /sparse) -lt 1000 ] && echo " sparse"',
    sees: '41943040\nmiddle sparse',
  },
  'pax sparse files': {
    plain: gnuTar('pax', 'truncate -s 40M sparse-pax; printf end >> sparse-pax', '--sparse'),
    look: 'stat -c %s /sparse-pax; tail -c 3 /sparse-pax',
    sees: '41943043\nend',
  },
  'extended attributes': {
    plain: layer(file('capable', 'x', { mode: 0o755, xattrs: new Map([['user.note', Buffer.from('kept\0bytes')]]) })),
    look: 'cat /capable',
    sees: 'x',
  },
  'hard links across directories and to a name that comes twice': {
    plain: layer(directory('a'), directory('b'), file('a/f', 'one'), hardlink('b/f', 'a/f'), file('a/f', 'two'), hardlink('c', 'a/f')),
    look: 'cat /b/f /a/f /c; stat -c %h /b/f /c',
    sees: 'onetwotwo1\n2',
  },
  'devices, fifos and set-uid files': {
    plain: layer(
      { type: 'character', name: 'null-too', mode: 0o666, major: 1, minor: 3 },
      { type: 'block', name: 'block', mode: 0o600, major: 7, minor: 300 },
      { type: 'fifo', name: 'fifo', mode: 0o644 },
      file('suid', 'x', { mode: 0o6755, uid: 1000, gid: 50 }),
    ),
    look: 'stat -c "%F %t,%T" /null-too /block; stat -c "%F %a" /fifo; stat -c "%a %u %g" /suid',
    sees: 'character special file 1,3\nblock special file 7,12c\nfifo 644\n6755 1000 50',
  },
  'names that are no UTF-8': {
    plain: gnuTar('gnu', String.raw`printf found > "$(printf 'caf\351-\377')"`),
    look: String.raw`cat "/$(printf 'caf\351-\377')"`,
    sees: 'found',
  },
  'times before 1970 and after 2242, in base 256': {
    plain: Buffer.concat([
      withoutEnd(base256(layer(file('old', '')), MTIME, -86_400n)),
      base256(layer(file('new', '')), MTIME, 10_000_000_000n),
    ]),
    look: 'stat -c %Y /old /new',
    sees: '-86400\n10000000000',
  },
  'a size and an owner in base 256': {
    plain: base256(base256(plain('owned'), SIZE, 7n), UID, 2_000_000n),
    look: 'cat /owned; stat -c " %u" /owned',
    sees: 'content 2000000',
  },
  'no padding after the end mark, and none at all': { plain: withoutEnd(plain('no-end')), look: 'cat /no-end', sees: 'content' },
  'garbage after the end mark': {
    plain: Buffer.concat([plain('garbage'), Buffer.from('garbage '.repeat(500))]),
    look: 'cat /garbage',
    sees: 'content',
  },
  'blocks of zeros for a whole record': {
    plain: Buffer.concat([plain('record'), Buffer.alloc(10_240)]),
    look: 'cat /record',
    sees: 'content',
  },
  'a layer of nothing': { plain: tarEnd(), look: 'echo runs', sees: 'runs' },
  'an archive of no bytes': { plain: Buffer.alloc(0), look: 'echo runs', sees: 'runs' },
  'v7 headers without a magic': { plain: gnuTar('v7', 'echo old > old-file; ln old-file old-link'), look: 'cat /old-link', sees: 'old' },
  'directories again and again, with names that begin and end in dots and slashes': {
    plain: layer(
      directory('./'),
      directory('./d', { mode: 0o700 }),
      directory('d/', { mode: 0o751 }),
      file('././d//f', 'x'),
      symlink('d/l', './f'),
    ),
    look: 'stat -c %a /d; cat /d/l',
    sees: '751\nx',
  },
  'gzip in several members': {
    plain: Buffer.concat([half, otherHalf]),
    packed: Buffer.concat([gzipSync(half), gzipSync(Buffer.alloc(0)), gzipSync(otherHalf, { level: 1 })]),
    look: 'cat /first /second',
    sees: '12',
  },
  'zstd in several frames, with one to be skipped': {
    plain: Buffer.concat([half, otherHalf]),
    packed: Buffer.concat([zstdCompressSync(half), Buffer.from('502a4d1804000000deadbeef', 'hex'), zstdCompressSync(otherHalf)]),
    mediaType: MEDIA_TYPE.ociLayerZstd,
    look: 'cat /first /second',
    sees: '12',
  },
  'a plain layer that is called gzip': {
    plain: plain('called-gzip'),
    packed: plain('called-gzip'),
    look: 'cat /called-gzip',
    sees: 'content',
  },
};

test('an image of them all: what is in it, and its digest after every way through the engine', async () => {
  const name = `${registry.host}/odd/layers`;
  const manifest = await store(`${name}:1`, Object.values(ODD));
  const ran = async (...args: string[]) => {
    const { code, stdout, stderr } = await daemon.docker(args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  await ran('pull', '-q', `${name}:1`);
  const script = Object.values(ODD)
    .map(({ look }) => `(${look}) 2>&1; echo; echo ----`)
    .join('\n');
  const seen = (await ran('run', '--rm', '--network', 'none', `${name}:1`, 'sh', '-c', script)).split('----').map((text) => text.trim());
  for (const [position, [what, { sees }]] of Object.entries(ODD).entries()) assert.equal(seen[position], sees, what);
  const pushed = async (tag: string) => (await ran('push', `${name}:${tag}`)).split('\n').at(-1);
  await ran('tag', `${name}:1`, `${name}:2`);
  assert.equal(await pushed('2'), `2: digest: ${manifest.digest} size: ${manifest.size}`);
  const path = join(work, 'saved.tar');
  await ran('save', '-o', path, `${name}:1`);
  await ran('rmi', `${name}:1`, `${name}:2`);
  await ran('load', '-q', '-i', path);
  await ran('tag', `${name}:1`, `${name}:3`);
  assert.equal(await pushed('3'), `3: digest: ${manifest.digest} size: ${manifest.size}`);
  await ran('rmi', `${name}:1`, `${name}:3`);
});

test('extended attributes are in the container as the layer has them, and in what is committed of it', async () => {
  const name = `${registry.host}/odd/attributes:1`;
  await store(name, [ODD['extended attributes'] as Odd]);
  await daemon.docker(['pull', '-q', name]);
  await daemon.docker([
    'run',
    '--name',
    'changed',
    '--network',
    'none',
    name,
    'sh',
    '-c',
    'cp -a /capable /copy 2>/dev/null; chmod 700 /capable',
  ]);
  assert.equal((await daemon.docker(['commit', 'changed', 'committed:1'])).code, 0);
  const path = join(work, 'committed.tar');
  assert.equal((await daemon.docker(['save', '-o', path, 'committed:1'])).code, 0);
  const layers = JSON.parse(execFileSync('tar', ['-xOf', path, 'manifest.json'], { encoding: 'utf8' }))[0].Layers as string[];
  writeFileSync(join(work, 'layer'), execFileSync('tar', ['-xOf', path, layers.at(-1) as string]));
  const listing = execFileSync('tar', ['--xattrs', '--xattrs-include=*', '-tvvzf', join(work, 'layer')], { encoding: 'utf8' });
  assert.match(listing, /-rwx------\* .* capable\n.*x: +\d+ user\.note/);
  await daemon.docker(['rm', 'changed']);
  await daemon.docker(['rmi', 'committed:1', name]);
});

/** The odd layers above busybox, so that something can look at them. */
async function store(name: string, odd: readonly Odd[]): Promise<Descriptor> {
  const all = [{ plain: busyboxRootfs() }, ...odd] as Pick<Odd, 'plain' | 'packed' | 'mediaType'>[];
  using repository = await openRepository(name);
  const put = async (mediaType: string, bytes: Buffer): Promise<Descriptor> => {
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
    if (!(await repository.hasBlob(descriptor.digest)))
      await uploadBlob(repository.upstream, descriptor, async function* () {
        yield bytes;
      });
    return descriptor;
  };
  const layers: Descriptor[] = [];
  for (const { plain, packed, mediaType } of all) layers.push(await put(mediaType ?? MEDIA_TYPE.ociLayerGzip, packed ?? gzipSync(plain)));
  const config = await put(
    MEDIA_TYPE.ociConfig,
    Buffer.from(
      JSON.stringify({
        os: 'linux',
        architecture: process.arch === 'x64' ? 'amd64' : process.arch,
        config: { Env: ['PATH=/bin'] },
        rootfs: { type: 'layers', diff_ids: all.map(({ plain }) => digestOf(plain)) },
        // What a parser that writes the document again would change.
        '\u00e9tranger': [1e2, '\u003c'],
      }),
    ),
  );
  const mediaType = MEDIA_TYPE.ociManifest;
  const bytes = Buffer.from(
    `${JSON.stringify({ schemaVersion: 2, mediaType, config, layers, annotations: { z: '1', a: '2' } }, null, 1)}\n`,
  );
  await putManifest(repository.upstream, '1', { mediaType, bytes });
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

// Layers as directories and back: whiteouts, attributes, links, odd members, and the ways of packing them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { isKind } from '@berth/errdefs/engine-error';
import { inMounts } from '@berth/lifecycle/snapshots/conformance';
import type { Mount, Snapshotter } from '@berth/lifecycle/snapshots/snapshotter';
import { chainIds, digestOf } from '@berth/oci/digest';
import { directory, file, hardlink, type LayerMember, layer, stored, symlink } from './layer-fixture.ts';
import { openStorage, type StorageFixture } from './storage-fixture.ts';

const SCOPE = { namespace: 'test' };

function parts({ storage }: StorageFixture, name = 'overlayfs') {
  return {
    content: storage.content.in(SCOPE),
    snapshotter: storage.snapshotter(SCOPE, name),
    differ: storage.differ,
    unpacker: storage.unpacker,
  };
}

/** Unpacks layers and returns the mounts of a snapshot above them. */
async function unpacked(fixture: StorageFixture, snapshotterName: string, ...layers: LayerMember[][]) {
  const { content, snapshotter, unpacker } = parts(fixture, snapshotterName);
  const descriptors = await Promise.all(layers.map(async (members) => stored(content, layer(...members))));
  const top = await unpacker.unpack(
    { namespace: 'test', content, snapshotter },
    descriptors.map((descriptor) => ({ descriptor, diffId: descriptor.diffId })),
  );
  return await snapshotter.prepare('container', top);
}

async function tree(snapshotter: Snapshotter, key: string): Promise<string> {
  return inMounts(await snapshotter.mounts(key), 'find . -mindepth 1 | sort | tr "\\n" " "').trim();
}

for (const name of ['overlayfs', 'native']) {
  describe(`layers on ${name}`, () => {
    it('files, modes, owners, times, links, devices and attributes arrive', async () => {
      await using fixture = openStorage();
      const xattrs = new Map([
        ['user.note', Buffer.from('hello')],
        ['security.capability', Buffer.from('0100000200200000000000000000000000000000', 'hex')],
        ['trusted.overlay.opaque', Buffer.from('y')],
      ]);
      const mounts = await unpacked(fixture, name, [
        directory('./', { mode: 0o711 }),
        directory('bin', { mode: 0o755, seconds: 1_000_000 }),
        file('bin/su', 'secret', { mode: 0o4755, uid: 12, gid: 34, seconds: 1_234_567, nanoseconds: 500_000_000 }),
        file('bin/ping', 'pong', { mode: 0o755, xattrs }),
        hardlink('bin/su2', 'bin/su'),
        symlink('bin/ln', '/nowhere'),
        { type: 'character', name: 'null', mode: 0o666, major: 1, minor: 3 },
        { type: 'fifo', name: 'pipe', mode: 0o600 },
        directory('tmp', { mode: 0o1777, gid: 5 }),
        directory('shared', { mode: 0o2775, gid: 50 }),
        file('shared/own', '', { uid: 0, gid: 0 }),
        file(`long/${'n'.repeat(200)}/${'m'.repeat(200)}`, 'long'),
        file('caf\u00e9 \u{1f40b}', 'unicode'),
      ]);
      const script = `stat -c '%n %a %u:%g %F' . bin bin/su bin/su2 bin/ln null pipe tmp shared shared/own
        stat -c '%n %Y %h' bin bin/su; stat -c '%t,%T' null; cat long/*/*; cat caf*; getfattr -n user.note --only-values bin/ping 2>/dev/null || true`;
      assert.deepEqual(
        inMounts(mounts, script)
          .replace(/(longunicode).*/s, '$1')
          .split('\n'),
        [
          '. 711 0:0 directory',
          'bin 755 0:0 directory',
          'bin/su 4755 12:34 regular file',
          'bin/su2 4755 12:34 regular file',
          'bin/ln 777 0:0 symbolic link',
          'null 666 0:0 character special file',
          'pipe 600 0:0 fifo',
          'tmp 1777 0:5 directory',
          'shared 2775 0:50 directory',
          'shared/own 644 0:0 regular empty file',
          'bin 1000000 2',
          'bin/su 1234567 2',
          '1,3',
          'longunicode',
        ],
      );
    });

    it('whiteouts take away what lower layers have, and only that', async () => {
      await using fixture = openStorage();
      await unpacked(
        fixture,
        name,
        [
          file('a', '1'),
          file('b', '1'),
          directory('d'),
          file('d/x', '1'),
          file('d/y', '1'),
          directory('e'),
          file('e/x', '1'),
          directory('f'),
          file('f/old', '1'),
        ],
        [
          file('.wh.a', ''),
          file('d/.wh.x', ''),
          directory('e'),
          file('e/new', '2'),
          file('e/.wh..wh..opq', ''),
          file('.wh.f', ''),
          directory('f'),
          file('f/new', '2'),
          file('.wh.unknown', ''),
        ],
        [file('b', '3'), file('.wh.b', '')],
      );
      assert.equal(await tree(parts(fixture, name).snapshotter, 'container'), './b ./d ./d/y ./e ./e/new ./f ./f/new');
    });

    it('a directory that is used without being listed keeps what the layer below says of it', async () => {
      await using fixture = openStorage();
      const mounts = await unpacked(
        fixture,
        name,
        [directory('home', { mode: 0o750, uid: 7, gid: 8, seconds: 1000 }), file('home/a', '')],
        [file('home/b', ''), file('new/deep/c', '')],
      );
      assert.equal(inMounts(mounts, "stat -c '%a %u:%g' home new new/deep; ls home"), '750 7:8\n755 0:0\n755 0:0\na\nb\n');
    });

    it('an opaque directory is emptied of what is below, and what its links point to is left alone', async () => {
      await using fixture = openStorage();
      const mounts = await unpacked(
        fixture,
        name,
        [directory('keep'), file('keep/x', ''), directory('e'), file('e/old', '')],
        [directory('e', { mode: 0o700, uid: 3 }), symlink('e/link', '../keep'), file('e/.wh..wh..opq', ''), file('e/.wh.link', '')],
      );
      assert.equal(inMounts(mounts, "ls e keep; stat -c '%a %u' e"), 'e:\nlink\n\nkeep:\nx\n700 3\n');
    });

    it('types may change between layers', async () => {
      await using fixture = openStorage();
      const mounts = await unpacked(
        fixture,
        name,
        [directory('a'), file('a/x', ''), file('b', 'b'), symlink('c', 'a')],
        [file('a', 'now a file'), directory('b'), file('b/y', ''), directory('c'), file('c/z', '')],
      );
      assert.equal(inMounts(mounts, 'cat a; echo; ls b c'), 'now a file\nb:\ny\n\nc:\nz\n');
    });

    it('what a container changed becomes a layer that makes the same change again', async () => {
      await using fixture = openStorage();
      const { content, snapshotter, differ, unpacker } = parts(fixture, name);
      const base = await stored(
        content,
        layer(
          directory('d'),
          file('d/a', '1', { seconds: 5 }),
          file('keep', 'k', { seconds: 5 }),
          file('gone', 'g'),
          directory('old'),
          file('old/x', ''),
        ),
      );
      const top = await unpacker.unpack({ namespace: 'test', content, snapshotter }, [{ descriptor: base, diffId: base.diffId }]);
      inMounts(
        await snapshotter.prepare('work', top),
        'echo 2 > d/a; rm gone; rm -r old; mkdir old; echo n > old/new; ln d/a hard; chmod 4711 d/a; ln -s keep link; mkfifo p',
      );
      const lower = await snapshotter.view('lower', top);
      const descriptor = await differ.compare(content, lower, await snapshotter.mounts('work'), {
        mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd',
      });
      const again = await differ.compare(content, lower, await snapshotter.mounts('work'), {
        mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd',
      });
      assert.equal(again.digest, descriptor.digest);
      const diffId = content.info(descriptor.digest).labels['containerd.io/uncompressed'] as typeof base.diffId;
      const result = await unpacker.unpack({ namespace: 'test', content, snapshotter }, [
        { descriptor: base, diffId: base.diffId },
        { descriptor, diffId },
      ]);
      const script = "find . | sort; stat -c '%a %h' d/a; cat d/a old/new keep; readlink link; stat -c %F p";
      assert.equal(inMounts(await snapshotter.view('result', result), script), inMounts(await snapshotter.mounts('work'), script));
    });
  });
}

it('any two snapshots can be compared, whatever they stand on', async () => {
  await using fixture = openStorage();
  const { content, snapshotter, differ } = parts(fixture);
  inMounts(await snapshotter.prepare('w0'), 'echo 0 > zero; echo x > same; mkdir d; echo 1 > d/one');
  await snapshotter.commit('c0', 'w0');
  inMounts(await snapshotter.prepare('w1', 'c0'), 'rm zero; echo 2 > d/two');
  await snapshotter.commit('c1', 'w1');
  inMounts(await snapshotter.prepare('w2', 'c1'), 'rm d/one; echo 3 > three');
  const names = async (lower: Mount[], upper: Mount[]) => {
    const mediaType = 'application/vnd.oci.image.layer.v1.tar';
    const { digest } = await differ.compare(content, lower, upper, { mediaType });
    return execFileSync('tar', ['tf', content.path(digest)], { encoding: 'utf8' })
      .trim()
      .split('\n');
  };
  const mountsBefore = readFileSync('/proc/self/mountinfo', 'utf8');
  assert.deepEqual(await names(await snapshotter.view('v0', 'c0'), await snapshotter.mounts('w2')), [
    'd/',
    'd/.wh.one',
    'd/two',
    'three',
    '.wh.zero',
  ]);
  assert.deepEqual(await names([], await snapshotter.mounts('w2')), ['d/', 'd/two', 'same', 'three']);
  assert.deepEqual(await names(await snapshotter.mounts('w2'), await snapshotter.mounts('v0')), [
    'd/',
    'd/one',
    'd/.wh.two',
    '.wh.three',
    'zero',
  ]);
  assert.equal(readFileSync('/proc/self/mountinfo', 'utf8'), mountsBefore);
});

describe('packing', () => {
  const members = [directory('d'), ...Array.from({ length: 50 }, (_, index) => file(`d/${index}`, String(index).repeat(index * 100)))];

  for (const [kind, pack] of Object.entries({
    plain: (tar: Buffer) => tar,
    gzip: (tar: Buffer) => gzipSync(tar),
    'gzip of several members': (tar: Buffer) => Buffer.concat([gzipSync(tar.subarray(0, 1000)), gzipSync(tar.subarray(1000))]),
    zstd: (tar: Buffer) => zstdCompressSync(tar),
    'zstd of several frames, some to be skipped': (tar: Buffer) => {
      const skipped = Buffer.alloc(8 + 33);
      skipped.writeUInt32LE(0x184d2a53, 0);
      skipped.writeUInt32LE(33, 4);
      return Buffer.concat([skipped, zstdCompressSync(tar.subarray(0, 700)), skipped, zstdCompressSync(tar.subarray(700)), skipped]);
    },
  })) {
    it(`reads ${kind}, whatever the media type says`, async () => {
      await using fixture = openStorage();
      const { content, snapshotter, differ } = parts(fixture);
      const tar = layer(...members);
      const packed = await stored(content, pack(tar), 'application/vnd.docker.image.rootfs.diff.tar.gzip');
      const mounts = await snapshotter.prepare('work');
      const applied = await differ.apply(content, packed, mounts);
      assert.equal(applied.diffId, digestOf(tar));
      assert.equal(applied.size, tar.length);
      assert.equal(readFileSync(join(mounts[0]?.source as string, 'd/49'), 'utf8'), '49'.repeat(4900));
    });

    it(`refuses ${kind} that is cut off`, async () => {
      await using fixture = openStorage();
      const { content, snapshotter, differ } = parts(fixture);
      const bytes = pack(layer(...members));
      const cut = await stored(content, bytes.subarray(0, Math.floor(bytes.length / 2)));
      await assert.rejects(differ.apply(content, cut, await snapshotter.prepare('work')), (error) => isKind(error, 'InvalidArgument'));
    });
  }

  it('sparse files take no more room than they have data', async () => {
    await using fixture = openStorage();
    const { content, snapshotter, differ } = parts(fixture);
    for (const format of ['gnu', 'pax']) {
      const script = `mkdir s && cd s && truncate -s 8M hole && echo data | dd of=hole bs=1 seek=4194304 conv=notrunc 2>/dev/null && tar -S --format=${format} -cf ../s.tar hole && cat ../s.tar`;
      const cwd = join(fixture.root, format);
      const tar = execFileSync('sh', ['-c', `mkdir ${cwd} && cd ${cwd} && ${script}`], { maxBuffer: 1 << 26 });
      assert.ok(tar.length < 1 << 20);
      const mounts = await snapshotter.prepare(`work-${format}`);
      await differ.apply(content, await stored(content, tar), mounts);
      const path = join(mounts[0]?.source as string, 'hole');
      assert.equal(statSync(path).size, 8 << 20);
      assert.ok(statSync(path).blocks * 512 < 1 << 20);
      assert.equal(readFileSync(path).toString('latin1', 4194304, 4194309), 'data\n');
    }
  });
});

describe('hostile layers stay inside', () => {
  const outside = '/tmp/berth-escape-canary';
  const cases: Record<string, LayerMember[]> = {
    'CVE-2014-9356: a symlink to an absolute path, then a file through it': [symlink('l', '/tmp'), file('l/berth-escape-canary', 'x')],
    'a symlink that climbs, then a file through it': [symlink('l', '../../../../../../../../tmp'), file('l/berth-escape-canary', 'x')],
    'CVE-2014-6407: a hard link to a file outside by way of a symlink': [symlink('l', '/etc'), hardlink('h', 'l/hostname')],
    'a file over a symlink that points outside': [symlink('f', outside), file('f', 'x')],
    'an absolute name': [file('/tmp/berth-escape-canary', 'x')],
    'a chain of symlinks': [symlink('a', 'b'), symlink('b', '/tmp'), file('a/berth-escape-canary', 'x')],
    'a directory over a symlink to a directory outside': [
      symlink('d', '/tmp'),
      directory('d', { mode: 0o700 }),
      file('d/berth-escape-canary', 'x'),
    ],
    'a whiteout through a symlink': [symlink('l', '/tmp'), file('l/.wh.berth-escape-canary', '')],
    'a magic link': [symlink('l', '/proc/self/root/tmp'), file('l/berth-escape-canary', 'x')],
  };
  for (const [name, members] of Object.entries(cases)) {
    for (const whiteouts of ['overlay', 'remove'] as const) {
      it(`${name} (${whiteouts})`, async () => {
        await using fixture = openStorage();
        const { content, snapshotter, differ } = parts(fixture);
        const before = lstatSync('/tmp').mode;
        const mounts = await snapshotter.prepare('work');
        await differ.apply(content, await stored(content, layer(...members)), mounts, { whiteouts }).catch((error) => {
          assert.ok(isKind(error, 'NotFound') || isKind(error, 'InvalidArgument') || isKind(error, 'Internal'), String(error));
        });
        assert.equal(lstatSync(outside, { throwIfNoEntry: false }), undefined);
        assert.equal(lstatSync('/tmp').mode, before);
        assert.equal(lstatSync('/etc/hostname').nlink, 1);
      });
    }
  }

  for (const [name, members] of Object.entries({
    'a name that climbs out': [file('../escape', 'x')],
    'a name that climbs out in the middle': [file('a/../../escape', 'x')],
    'a hard link to a name that climbs out': [hardlink('h', '../../../../etc/hostname')],
    'a whiteout of the directory above': [file('a/.wh...', '')],
    'a whiteout of the directory itself': [file('a/.wh..', '')],
  })) {
    it(`${name} is refused`, async () => {
      await using fixture = openStorage();
      const { content, snapshotter, differ } = parts(fixture);
      const mounts = await snapshotter.prepare('work');
      await assert.rejects(differ.apply(content, await stored(content, layer(...members)), mounts), (error) =>
        isKind(error, 'InvalidArgument'),
      );
    });
  }

  it('an image cannot give instructions to overlayfs', async () => {
    await using fixture = openStorage();
    const xattrs = new Map([
      ['trusted.overlay.redirect', Buffer.from('/etc')],
      ['trusted.overlay.opaque', Buffer.from('y')],
    ]);
    const mounts = await unpacked(fixture, 'overlayfs', [directory('d'), file('d/a', '')], [directory('d', { xattrs }), file('d/b', '')]);
    assert.equal(inMounts(mounts, 'ls d'), 'a\nb\n');
  });
});

describe('unpacking an image', () => {
  it('a layer whose content is not what the configuration names leaves nothing', async () => {
    await using fixture = openStorage();
    const { content, snapshotter, unpacker } = parts(fixture);
    const good = await stored(content, layer(file('a', '1')));
    const bad = await stored(content, layer(file('b', '2')));
    const layers = [
      { descriptor: good, diffId: good.diffId },
      { descriptor: bad, diffId: digestOf('something else') },
    ];
    await assert.rejects(unpacker.unpack({ namespace: 'test', content, snapshotter }, layers), /wrong diff id/);
    assert.deepEqual(snapshotter.list(['kind==active']), []);
  });

  it('two images that share layers unpack them once, whoever is first', async () => {
    await using fixture = openStorage();
    const { content, snapshotter, unpacker } = parts(fixture);
    const layers = await Promise.all([1, 2, 3, 4].map(async (number) => stored(content, layer(file(`f${number}`, 'x'.repeat(100_000))))));
    const named = layers.map((descriptor) => ({ descriptor, diffId: descriptor.diffId }));
    const target = { namespace: 'test', content, snapshotter };
    const [one, two] = await Promise.all([unpacker.unpack(target, named.slice(0, 3)), unpacker.unpack(target, named)]);
    const chain = chainIds(named.map((entry) => entry.diffId));
    assert.deepEqual([one, two], [chain[2], chain[3]]);
    assert.deepEqual(
      snapshotter
        .list()
        .map((info) => info.name)
        .sort(),
      [...chain].sort(),
    );
    assert.equal(fixture.topics.filter((topic) => topic === '/snapshot/commit').length, 4);
  });

  it('one pull that is cancelled does not fail the other', async () => {
    await using fixture = openStorage();
    const { content, snapshotter, unpacker } = parts(fixture);
    const descriptor = await stored(content, layer(...Array.from({ length: 2000 }, (_, index) => file(`f${index}`, 'x'.repeat(5000)))));
    const target = { namespace: 'test', content, snapshotter };
    const cancel = new AbortController();
    const first = unpacker.unpack(target, [{ descriptor, diffId: descriptor.diffId, onProgress: () => cancel.abort() }], {
      signal: cancel.signal,
    });
    setTimeout(() => cancel.abort(), 5);
    const second = unpacker.unpack(target, [{ descriptor, diffId: descriptor.diffId }]);
    await first.catch(() => {});
    assert.equal(await second, descriptor.diffId);
    assert.deepEqual(snapshotter.list(['kind==active']), []);
  });
});

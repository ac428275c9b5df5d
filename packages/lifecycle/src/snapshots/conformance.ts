// What every Snapshotter must do, as tests: an implementation's own test file calls this with a way to make one. Needs root, because
// the mounts are performed, in a mount namespace of the test's own.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import type { ErrorKind } from '@berth/errdefs/kind';
import type { Mount, Snapshotter } from './snapshotter.ts';

export interface ConformanceSubject extends AsyncDisposable {
  snapshotter: Snapshotter;
  /** The same snapshots seen from another namespace. */
  elsewhere: Snapshotter;
}

/** Runs a shell script with the mounts as its working directory, in a mount namespace that ends with it; returns what it printed. */
export function inMounts(mounts: readonly Mount[], script: string): string {
  const target = mkdtempSync(join(tmpdir(), 'berth-snapshot-'));
  const commands = mounts.map((mount) => {
    const bind = mount.type === 'bind';
    const options = mount.options.filter((option) => option !== 'rw');
    const type = bind ? '' : `-t ${mount.type}`;
    return `mount ${type} -o '${options.join(',')}' '${mount.source}' '${target}'`;
  });
  try {
    const lines = ['set -e', 'mount --make-rprivate /', ...commands, `cd '${target}'`, script];
    return execFileSync('unshare', ['-m', 'sh', '-c', lines.join('\n')], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
}

export function snapshotterConformance(name: string, open: () => Promise<ConformanceSubject>): void {
  const key = () => randomUUID();
  const rejects = (promise: Promise<unknown>, kind: ErrorKind) => assert.rejects(promise, (error) => isKind(error, kind));

  describe(`${name} as a Snapshotter`, () => {
    it('prepares an empty filesystem, commits it, and shows it to children', async () => {
      await using subject = await open();
      const { snapshotter } = subject;
      inMounts(await snapshotter.prepare('work'), 'echo one > a; mkdir d; echo two > d/b; ln -s a link; chmod 700 d');
      await snapshotter.commit('base', 'work');
      assert.equal(inMounts(await snapshotter.view(key(), 'base'), 'cat a d/b; readlink link; stat -c %a d'), 'one\ntwo\na\n700\n');
    });

    it('keeps what a child changes to itself', async () => {
      await using subject = await open();
      const { snapshotter } = subject;
      inMounts(await snapshotter.prepare('work'), 'echo one > a; echo two > b; mkdir d; touch d/x');
      await snapshotter.commit('base', 'work');
      const first = await snapshotter.prepare('first', 'base');
      inMounts(first, 'echo changed > a; rm b; rm -r d; mkdir d; touch d/y');
      assert.equal(inMounts(await snapshotter.mounts('first'), 'cat a; ls . d'), 'changed\n.:\na\nd\n\nd:\ny\n');
      assert.equal(inMounts(await snapshotter.prepare('second', 'base'), 'cat a b; ls d'), 'one\ntwo\nx\n');
    });

    it('stacks many layers in order', async () => {
      await using subject = await open();
      const { snapshotter } = subject;
      let parent: string | undefined;
      for (let layer = 0; layer < 20; layer++) {
        inMounts(
          await snapshotter.prepare(`work-${layer}`, parent),
          `echo ${layer} > last; echo ${layer} > file-${layer}; rm -f file-${layer - 5}`,
        );
        parent = `layer-${layer}`;
        await snapshotter.commit(parent, `work-${layer}`);
      }
      assert.equal(inMounts(await snapshotter.view(key(), parent), 'cat last; ls | wc -l').replaceAll(' ', ''), '19\n6\n');
    });

    it('hands out a view that cannot be written', async () => {
      await using subject = await open();
      const { snapshotter } = subject;
      await snapshotter.prepare('work');
      await snapshotter.commit('base', 'work');
      const mounts = await snapshotter.view('view', 'base');
      assert.match(inMounts(mounts, 'touch x 2>&1 || true'), /[Rr]ead-only/);
      await rejects(snapshotter.commit('never', 'view'), 'FailedPrecondition');
    });

    it('answers the same mounts at every call', async () => {
      await using subject = await open();
      const { snapshotter } = subject;
      assert.deepEqual(await snapshotter.prepare('work'), await snapshotter.mounts('work'));
    });

    it('refuses taken names and unknown or unfinished parents', async () => {
      await using subject = await open();
      const { snapshotter } = subject;
      await snapshotter.prepare('work');
      await rejects(snapshotter.prepare('work'), 'AlreadyExists');
      await rejects(snapshotter.view('work'), 'AlreadyExists');
      await rejects(snapshotter.prepare('child', 'work'), 'InvalidArgument');
      await rejects(snapshotter.prepare('child', 'unknown'), 'NotFound');
      await rejects(snapshotter.prepare(''), 'InvalidArgument');
      await rejects(snapshotter.mounts('unknown'), 'NotFound');
      await snapshotter.commit('base', 'work');
      await rejects(snapshotter.mounts('base'), 'FailedPrecondition');
      await rejects(snapshotter.commit('other', 'work'), 'NotFound');
      await snapshotter.prepare('again');
      await rejects(snapshotter.commit('base', 'again'), 'AlreadyExists');
      assert.equal(snapshotter.stat('again').kind, 'active');
    });

    it('removes leaves only', async () => {
      await using subject = await open();
      const { snapshotter } = subject;
      await snapshotter.prepare('work');
      await snapshotter.commit('base', 'work');
      await snapshotter.prepare('child', 'base');
      await rejects(snapshotter.remove('base'), 'FailedPrecondition');
      await snapshotter.remove('child');
      await rejects(snapshotter.remove('child'), 'NotFound');
      await snapshotter.remove('base');
      assert.deepEqual(snapshotter.list(), []);
      await snapshotter.prepare('child');
    });

    it('tells kinds, parents and labels, and filters by them', async () => {
      await using subject = await open();
      const { snapshotter } = subject;
      await snapshotter.prepare('work', undefined, { a: '1' });
      await snapshotter.commit('base', 'work', { labels: { a: '2', b: '3' } });
      await snapshotter.view('view', 'base');
      const { kind, parent, labels } = snapshotter.stat('base');
      assert.deepEqual({ kind, parent, labels }, { kind: 'committed', parent: undefined, labels: { a: '2', b: '3' } });
      assert.equal(snapshotter.stat('view').parent, 'base');
      assert.deepEqual(snapshotter.update('base', { b: '4', c: '5' }, ['labels.b']).labels, { a: '2', b: '4' });
      assert.deepEqual(
        snapshotter.list(['kind==view']).map((info) => info.name),
        ['view'],
      );
      assert.deepEqual(
        snapshotter.list(['labels.a==2', 'name==view']).map((info) => info.name),
        ['base', 'view'],
      );
      await assert.rejects(
        async () => snapshotter.update('base', {}, ['kind']),
        (error) => isKind(error, 'InvalidArgument'),
      );
    });

    it('counts hard links once in its usage', async () => {
      await using subject = await open();
      const { snapshotter } = subject;
      inMounts(await snapshotter.prepare('work'), 'dd if=/dev/zero of=a bs=1024 count=256 2>/dev/null; ln a b');
      await snapshotter.commit('base', 'work');
      const { size, inodes } = await snapshotter.usage('base');
      assert.ok(size >= 256 * 1024 && size < 2 * 256 * 1024, `size is ${size}`);
      assert.equal(inodes, 2);
    });

    it('keeps namespaces apart', async () => {
      await using subject = await open();
      await subject.snapshotter.prepare('work');
      await subject.elsewhere.prepare('work');
      await subject.elsewhere.commit('base', 'work');
      await rejects(subject.snapshotter.prepare('child', 'base'), 'NotFound');
      assert.deepEqual(
        subject.snapshotter.list().map((info) => info.name),
        ['work'],
      );
    });

    it('prepares one key once, whoever asks at the same time', async () => {
      await using subject = await open();
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => subject.snapshotter.prepare('work')));
      assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
    });

    it('takes a parent at commit where it says that it can', async () => {
      await using subject = await open();
      const { snapshotter } = subject;
      inMounts(await snapshotter.prepare('work'), 'echo one > a');
      await snapshotter.commit('base', 'work');
      inMounts(await snapshotter.prepare('late'), 'echo two > b');
      if (!snapshotter.rebases) {
        await rejects(snapshotter.commit('top', 'late', { parent: 'base' }), 'InvalidArgument');
        return;
      }
      await snapshotter.commit('top', 'late', { parent: 'base' });
      assert.equal(inMounts(await snapshotter.view(key(), 'top'), 'cat a b'), 'one\ntwo\n');
      await snapshotter.prepare('other', 'base');
      await rejects(snapshotter.commit('mixed', 'other', { parent: 'top' }), 'InvalidArgument');
    });
  });
}

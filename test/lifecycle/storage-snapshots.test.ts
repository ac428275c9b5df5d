// Both snapshotters against the conformance suite, and what overlay mounts must look like to other programs.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { snapshotterConformance } from '@berth/lifecycle/snapshots/conformance';
import { openStorage } from './storage-fixture.ts';

for (const name of ['overlayfs', 'native']) {
  snapshotterConformance(name, async () => {
    const fixture = openStorage();
    return {
      snapshotter: fixture.storage.snapshotter({ namespace: 'one' }, name),
      elsewhere: fixture.storage.snapshotter({ namespace: 'two' }, name),
      [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
    };
  });
}

it("overlay mounts are containerd's", async () => {
  await using fixture = openStorage();
  const snapshotter = fixture.storage.snapshotter({ namespace: 'one' }, 'overlayfs');
  const files = (id: number) => join(fixture.root, 'io.containerd.snapshotter.v1.overlayfs/snapshots', String(id), 'fs');
  assert.deepEqual(await snapshotter.prepare('a'), [{ type: 'bind', source: files(1), options: ['rw', 'rbind'] }]);
  await snapshotter.commit('A', 'a');
  assert.deepEqual(await snapshotter.view('v', 'A'), [{ type: 'bind', source: files(1), options: ['ro', 'rbind'] }]);
  await snapshotter.prepare('b', 'A');
  await snapshotter.commit('B', 'b');
  const [mount] = await snapshotter.prepare('c', 'B');
  const work = files(4).replace(/fs$/, 'work');
  assert.deepEqual(mount?.options.slice(0, 3), [`workdir=${work}`, `upperdir=${files(4)}`, `lowerdir=${files(3)}:${files(1)}`]);
});

it('cleanup deletes what no snapshot owns and nothing else', async () => {
  await using fixture = openStorage();
  const snapshotter = fixture.storage.snapshotter({ namespace: 'one' }, 'overlayfs');
  const directory = join(fixture.root, 'io.containerd.snapshotter.v1.overlayfs/snapshots');
  await snapshotter.prepare('kept');
  for (const orphan of ['77/fs', 'rm-12', 'new-x']) mkdirSync(join(directory, orphan), { recursive: true });
  await fixture.storage.recover();
  assert.deepEqual(readdirSync(directory), ['1']);
});

// Containers in user namespaces on remapped snapshots: the layers' files, which are root's on disk, are the container's root's inside, and
// nothing is copied for that.
import assert from 'node:assert/strict';
import { chmodSync, chownSync, cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import { canRemap } from '@berth/lifecycle/snapshots/id-mapping';
import type { Spec } from '@berth/oci/runtime-spec';
import { packJson, SPEC_TYPE } from '@berth/rpc/any';
import { Introspection } from '@berth/rpc/gen/containerd/services/introspection/v1/introspection';
import { Snapshots } from '@berth/rpc/gen/containerd/services/snapshots/v1/snapshots';
import { Laboratory } from './laboratory.ts';

const HOST = 200_000;
const COUNT = 65_536;
const MAPPING = `0:${HOST}:${COUNT}`;
const LABELS = { 'containerd.io/snapshot/uidmapping': MAPPING, 'containerd.io/snapshot/gidmapping': MAPPING };
/** The collector has nothing else to know these snapshots by. */
const ROOT = { 'containerd.io/gc.root': 'test' };
const skip = canRemap() ? false : 'this kernel cannot stack detached id-mapped mounts (Linux 6.15 can)';

/** Two layers: the lower one has a shell and what only its owner may read, the upper one a file of another user. */
async function layers(lab: Laboratory, snapshotter: string): Promise<string> {
  const snapshots = lab.connection.client(Snapshots);
  const fill = async (key: string, parent: string, write: (directory: string) => void) => {
    const { mounts } = await snapshots.prepare({ snapshotter, key, parent, labels: ROOT });
    const mount = mounts[0];
    write(
      mount?.type === 'bind'
        ? mount.source
        : (mount?.options.find((option) => option.startsWith('upperdir='))?.slice('upperdir='.length) ?? assert.fail('no upper directory')),
    );
    await snapshots.commit({ snapshotter, key, name: `${key}-done`, labels: ROOT });
    return `${key}-done`;
  };
  const base = await fill('base', '', (directory) => {
    for (const name of ['proc', 'dev', 'sys', 'secret']) mkdirSync(join(directory, name));
    writeFileSync(join(directory, 'secret/key'), 'key');
    chmodSync(join(directory, 'secret'), 0o700);
    cpSync(join(lab.rootfs, 'bin'), join(directory, 'bin'), { recursive: true, verbatimSymlinks: true });
  });
  return fill('top', base, (directory) => {
    writeFileSync(join(directory, 'mine'), 'mine');
    chownSync(join(directory, 'mine'), 1000, 1000);
  });
}

async function start(
  lab: Laboratory,
  t: TestContext,
  snapshotter: string,
  parent: string,
  script: string,
): Promise<{ id: string; out: string }> {
  const out = join(lab.directory, `${snapshotter}.out`);
  const id = await lab.container(script);
  await lab.containers.delete({ id });
  const snapshots = lab.connection.client(Snapshots);
  await snapshots.prepare({ snapshotter, key: id, parent, labels: { ...LABELS, ...ROOT } });
  t.after(() => snapshots.remove({ snapshotter, key: id }).catch(() => {}));
  const spec: Spec = lab.spec(id, script);
  const mapping = [{ containerID: 0, hostID: HOST, size: COUNT }];
  spec.root = { path: 'rootfs' };
  spec.linux = {
    ...spec.linux,
    uidMappings: mapping,
    gidMappings: mapping,
    namespaces: [...(spec.linux?.namespaces ?? []), { type: 'user' }],
  };
  await lab.containers.create({
    container: { id, snapshotter, snapshotKey: id, runtime: { name: 'io.containerd.berth.v1' }, spec: packJson(SPEC_TYPE, spec) },
  });
  await lab.tasks.create({ containerId: id, stdout: `file://${out}`, stderr: `file://${out}` });
  await lab.tasks.start({ containerId: id });
  return { id, out };
}

for (const snapshotter of ['overlayfs', 'native']) {
  test(`${snapshotter}: owners inside are the image's, and the layers keep theirs`, { skip }, async (t) => {
    const lab = await Laboratory.open(t);
    const { plugins } = await lab.connection.client(Introspection).plugins({ filters: [`id==${snapshotter}`] });
    assert.deepEqual(plugins[0]?.capabilities, ['remap-ids']);
    // The container's root is nobody on the way to its bundle.
    chmodSync(lab.directory, 0o711);
    const parent = await layers(lab, snapshotter);
    const script = 'busybox stat -c "%u %g %n" /bin/busybox /mine /; cat /secret/key; echo; echo new > /secret/new && echo done';
    const { id, out } = await start(lab, t, snapshotter, parent, script);
    const { exitStatus } = await lab.tasks.wait({ containerId: id });
    assert.deepEqual([readFileSync(out, 'utf8'), exitStatus], ['0 0 /bin/busybox\n1000 1000 /mine\n0 0 /\nkey\ndone\n', 0]);
    const root = join(lab.directory, `root/io.containerd.snapshotter.v1.${snapshotter}/snapshots`);
    const lower = join(root, '1', snapshotter === 'overlayfs' ? 'fs' : '', 'bin/busybox');
    assert.equal(lstatSync(lower).uid, 0);
    const own = readdirSync(root)
      .sort((a, b) => Number(a) - Number(b))
      .at(-1) as string;
    const written = join(root, own, snapshotter === 'overlayfs' ? 'fs' : '', 'secret/new');
    assert.equal(lstatSync(written).uid, snapshotter === 'overlayfs' ? HOST : 0);
    await lab.remove(id);
  });
}

test('mappings that are none are refused, and leave nothing', { skip }, async (t) => {
  const lab = await Laboratory.open(t);
  const snapshots = lab.connection.client(Snapshots);
  const labels = { ...LABELS, 'containerd.io/snapshot/uidmapping': '0:1:2,upperdir=/etc' };
  await assert.rejects(snapshots.prepare({ snapshotter: 'overlayfs', key: 'x', labels }), (error) => isKind(error, 'InvalidArgument'));
  await assert.rejects(snapshots.stat({ snapshotter: 'overlayfs', key: 'x' }), (error) => isKind(error, 'NotFound'));
});

// What the service, the zygote or a shim may be in the middle of when it is killed: each phase makes ready, does the one thing that is
// cut off, and afterwards brings it to its end all the same, checking that nothing was lost and removing everything again.
import assert from 'node:assert/strict';
import { isKind } from '@berth/errdefs/engine-error';
import { hostPlatform } from '@berth/oci/platform';
import { pack } from '@berth/rpc/any';
import { Images } from '@berth/rpc/gen/containerd/services/images/v1/images';
import { Kind, Snapshots } from '@berth/rpc/gen/containerd/services/snapshots/v1/snapshots';
import { Transfer } from '@berth/rpc/gen/containerd/services/transfer/v1/transfer';
import { Status } from '@berth/rpc/gen/containerd/types/task/task';
import { ImageStore } from '@berth/rpc/gen/containerd/types/transfer/imagestore';
import { OCIRegistry } from '@berth/rpc/gen/containerd/types/transfer/registry';
import type { Laboratory } from './laboratory.ts';

export type Victim = 'service' | 'zygote' | 'shim';

export interface Phase {
  name: string;
  victims: readonly Victim[];
  prepare(lab: Laboratory): Promise<Trial>;
}

export interface Trial {
  /** The container whose shim may be killed. */
  id?: string;
  /** What is cut off. */
  act(): Promise<unknown>;
  /** `shimDied`: its container is over, with whatever code. */
  finish(shimDied: boolean): Promise<void>;
}

const SNAPSHOTTER = 'overlayfs';
const SIGTERM = 15;
const OWN = ['service', 'zygote'] as const;
const ALL = ['service', 'zygote', 'shim'] as const;

/** `image` is a reference at a registry; what it unpacks to is `layers` snapshots. */
export function phases(image: string, layers: number): Phase[] {
  return [
    { name: 'pull', victims: ['service'], prepare: (lab) => pulling(lab, image, layers, false) },
    { name: 'unpack', victims: ['service'], prepare: (lab) => pulling(lab, image, layers, true) },
    { name: 'snapshot', victims: ['service'], prepare: snapshotting },
    { name: 'container create', victims: ['service'], prepare: creatingContainer },
    { name: 'task create', victims: ALL, prepare: creatingTask },
    { name: 'start', victims: ALL, prepare: starting },
    { name: 'exec', victims: ALL, prepare: executing },
    { name: 'kill', victims: ALL, prepare: killing },
    { name: 'delete', victims: [...OWN, 'shim'], prepare: deleting },
  ];
}

async function pulling(lab: Laboratory, image: string, layers: number, fetched: boolean): Promise<Trial> {
  const pull = (unpack: boolean) =>
    lab.connection.client(Transfer).transfer({
      source: pack(OCIRegistry, { reference: image, resolver: { defaultScheme: 'http' } }),
      destination: pack(ImageStore, {
        name: image,
        unpacks: unpack ? [{ platform: hostPlatform(), snapshotter: SNAPSHOTTER }] : [],
      }),
    });
  if (fetched) await pull(false);
  return {
    act: () => pull(true),
    async finish() {
      await pull(true);
      assert.equal((await names(lab, Kind.COMMITTED)).length, layers);
      await lab.connection.client(Images).delete({ name: image, sync: true });
    },
  };
}

/** An active snapshot, committed, with a child that is removed. */
async function snapshotting(lab: Laboratory): Promise<Trial> {
  const go = async () => {
    const snapshots = lab.connection.client(Snapshots);
    const labels = { 'containerd.io/gc.root': 'test' };
    await unlessThere(snapshots.prepare({ snapshotter: SNAPSHOTTER, key: 'work', labels }));
    await unlessThere(snapshots.commit({ snapshotter: SNAPSHOTTER, key: 'work', name: 'base', labels }));
    await unlessThere(snapshots.view({ snapshotter: SNAPSHOTTER, key: 'child', parent: 'base', labels }));
    await snapshots.remove({ snapshotter: SNAPSHOTTER, key: 'child' });
  };
  return {
    act: go,
    async finish() {
      const before = new Set(await names(lab));
      // A commit takes the key away: what was committed is not prepared again.
      if (before.has('base')) assert.ok(!before.has('work'), 'committed and active at once');
      else await go();
      for (const key of await names(lab).then((found) => found.sort((one) => (one === 'child' ? -1 : 1))))
        await lab.connection.client(Snapshots).remove({ snapshotter: SNAPSHOTTER, key });
    },
  };
}

async function creatingContainer(lab: Laboratory): Promise<Trial> {
  const id = lab.nextId();
  return {
    act: () => lab.container('exit 7', { id }),
    async finish() {
      await unlessThere(lab.container('exit 7', { id }));
      await lab.tasks.create({ containerId: id });
      await endsWith(lab, id, 7);
    },
  };
}

async function creatingTask(lab: Laboratory): Promise<Trial> {
  const id = await lab.container('exit 7');
  return {
    id,
    act: () => lab.tasks.create({ containerId: id }),
    async finish() {
      const found = await taskOf(lab, id);
      if (found === undefined) await lab.tasks.create({ containerId: id });
      else assert.equal(found, Status.CREATED);
      await endsWith(lab, id, 7);
    },
  };
}

async function starting(lab: Laboratory): Promise<Trial> {
  const id = await lab.container('exit 7');
  await lab.tasks.create({ containerId: id });
  return {
    id,
    act: () => lab.tasks.start({ containerId: id }),
    async finish(shimDied) {
      if (shimDied) return gone(lab, id);
      await endsWith(lab, id, 7);
    },
  };
}

async function executing(lab: Laboratory): Promise<Trial> {
  const id = await lab.run('sleep 1000');
  const spec = lab.exec('exit 5');
  const add = (execId: string) => lab.tasks.exec({ containerId: id, execId, spec });
  return {
    id,
    act: async () => {
      await add('e');
      await lab.tasks.start({ containerId: id, execId: 'e' });
    },
    async finish(shimDied) {
      if (shimDied) return gone(lab, id);
      for (const execId of ['e', 'another']) {
        await unlessThere(add(execId));
        if ((await lab.tasks.get({ containerId: id, execId })).process?.status === Status.CREATED)
          await lab.tasks.start({ containerId: id, execId });
        assert.equal((await lab.tasks.wait({ containerId: id, execId })).exitStatus, 5);
        assert.equal((await lab.tasks.deleteProcess({ containerId: id, execId })).exitStatus, 5);
      }
      assert.equal(await taskOf(lab, id), Status.RUNNING);
      await lab.remove(id);
    },
  };
}

async function killing(lab: Laboratory): Promise<Trial> {
  const id = await lab.run('trap "exit 7" TERM; echo ready > /tmp/ready; while :; do sleep 0.02; done');
  // A shell that has not set its trap yet ends by the signal, and with another code.
  await lab.seen('/tmp/ready');
  return {
    id,
    act: () => lab.tasks.kill({ containerId: id, signal: SIGTERM }),
    async finish(shimDied) {
      if (shimDied) return gone(lab, id);
      await lab.tasks.kill({ containerId: id, signal: SIGTERM }).catch(unless('NotFound'));
      assert.equal((await lab.tasks.wait({ containerId: id })).exitStatus, 7);
      await lab.remove(id);
    },
  };
}

async function deleting(lab: Laboratory): Promise<Trial> {
  const id = await lab.run('exit 7');
  assert.equal((await lab.tasks.wait({ containerId: id })).exitStatus, 7);
  return {
    id,
    act: () => lab.tasks.delete({ containerId: id }),
    async finish() {
      const deleted = await lab.tasks.delete({ containerId: id }).catch(unless('NotFound'));
      // Its code was the answer to Wait; a task that is still there says it again, one without its shim cannot.
      if (deleted) assert.ok([7, 137].includes(deleted.exitStatus), String(deleted.exitStatus));
      await lab.containers.delete({ id });
    },
  };
}

/** Starts what is not started, and sees it to its end. */
async function endsWith(lab: Laboratory, id: string, code: number): Promise<void> {
  if ((await taskOf(lab, id)) === Status.CREATED) await lab.tasks.start({ containerId: id });
  assert.equal((await lab.tasks.wait({ containerId: id })).exitStatus, code);
  assert.equal((await lab.tasks.delete({ containerId: id })).exitStatus, code);
  await lab.containers.delete({ id });
}

/** A task whose shim was killed is over and forgotten, and its container can be used again. */
async function gone(lab: Laboratory, id: string): Promise<void> {
  for (const end = Date.now() + 10_000; (await taskOf(lab, id)) !== undefined; ) {
    if (Date.now() > end) throw new Error(`${id} still has a task after its shim was killed`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await lab.containers.delete({ id });
}

async function taskOf(lab: Laboratory, id: string): Promise<Status | undefined> {
  const found = await lab.tasks.get({ containerId: id }).catch(unless('NotFound', 'Unavailable', 'Unknown'));
  return found?.process?.status;
}

async function names(lab: Laboratory, kind?: Kind): Promise<string[]> {
  const found: string[] = [];
  for await (const { info } of lab.connection.client(Snapshots).list({ snapshotter: SNAPSHOTTER }))
    found.push(...info.filter((each) => kind === undefined || each.kind === kind).map(({ name }) => name));
  return found;
}

async function unlessThere(action: Promise<unknown>): Promise<void> {
  await action.catch(unless('AlreadyExists'));
}

function unless(...kinds: Parameters<typeof isKind>[1][]): (error: unknown) => undefined {
  return (error) => {
    if (!kinds.some((kind) => isKind(error, kind))) throw error;
  };
}

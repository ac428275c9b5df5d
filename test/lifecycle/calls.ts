// Calls of every method of containerd's services, with good requests and bad ones, in an order in which each finds what it needs. Made
// to two services by calls.test.ts, which compares the answers.
import { digestOf } from '@berth/oci/digest';
import { PROCESS_TYPE, pack, packJson, RESOURCES_TYPE, SPEC_TYPE } from '@berth/rpc/any';
import { TaskOOM } from '@berth/rpc/gen/containerd/events/task';
import { Containers } from '@berth/rpc/gen/containerd/services/containers/v1/containers';
import { Content, WriteAction } from '@berth/rpc/gen/containerd/services/content/v1/content';
import { Diff } from '@berth/rpc/gen/containerd/services/diff/v1/diff';
import { Events } from '@berth/rpc/gen/containerd/services/events/v1/events';
import { Images } from '@berth/rpc/gen/containerd/services/images/v1/images';
import { Introspection } from '@berth/rpc/gen/containerd/services/introspection/v1/introspection';
import { Leases } from '@berth/rpc/gen/containerd/services/leases/v1/leases';
import { Namespaces } from '@berth/rpc/gen/containerd/services/namespaces/v1/namespace';
import { Controller, Store } from '@berth/rpc/gen/containerd/services/sandbox/v1/sandbox';
import { Snapshots } from '@berth/rpc/gen/containerd/services/snapshots/v1/snapshots';
import { StreamInit, Streaming } from '@berth/rpc/gen/containerd/services/streaming/v1/streaming';
import { Tasks } from '@berth/rpc/gen/containerd/services/tasks/v1/tasks';
import { Transfer } from '@berth/rpc/gen/containerd/services/transfer/v1/transfer';
import { Version } from '@berth/rpc/gen/containerd/services/version/v1/version';
import { ImageStore } from '@berth/rpc/gen/containerd/types/transfer/imagestore';
import { ImageExportStream } from '@berth/rpc/gen/containerd/types/transfer/importexport';
import { Health } from '@berth/rpc/gen/grpc/health/v1';
import type { GrpcConnection, ServiceClient } from '@berth/rpc/grpc/client';
import { timestampOf } from '@berth/rpc/timestamp';

export const SERVICES = {
  containers: Containers,
  content: Content,
  diff: Diff,
  events: Events,
  health: Health,
  images: Images,
  introspection: Introspection,
  leases: Leases,
  namespaces: Namespaces,
  sandboxes: Store,
  controller: Controller,
  snapshots: Snapshots,
  streaming: Streaming,
  tasks: Tasks,
  transfer: Transfer,
  version: Version,
} as const;

export type Api = { readonly [Name in keyof typeof SERVICES]: ServiceClient<(typeof SERVICES)[Name]> };

export function apiOf(connection: GrpcConnection): Api {
  return Object.fromEntries(Object.entries(SERVICES).map(([name, service]) => [name, connection.client(service)])) as unknown as Api;
}

export interface CallPlaces {
  /** Of containers: unique on the machine. */
  id: string;
  rootfs: string;
  runtime: string;
}

/** Of a container with the image `none` and the labels a=1 and b.c/d=2. */
const FILTERS = [
  '',
  'image',
  'image==none,labels.a==2',
  'image == none , labels.a==1',
  'labels."b.c/d"=="2"',
  'labels.b.c',
  'labels.none!=x',
  'labels.a~=/^[0-9]$/',
  'labels.a~=|(?i)^1|',
  'image~="^n.ne$"',
  'image=="n\\x6fne"',
  'runtime.name~=containerd',
  'snapshotter==""',
  'nothing==x',
  'nothing!=x',
  'createdat',
];

/** What a call answers: a message, or for a stream all of its messages. */
export type CallStep = [name: string, call: (api: Api) => Promise<unknown>];

const HELLO = Buffer.from('hello');
const DIGEST = digestOf(HELLO);
const NONE = `sha256:${'0'.repeat(64)}`;
const LONG = 'x'.repeat(5000);
/** Nothing refers to it, and garbage may be collected at any time. */
const KEPT = { 'containerd.io/gc.root': 'x' };
const OTHER = { namespace: 'other' };
const UPDATE = (...paths: string[]) => ({ updateMask: { paths } });
const TEXT = 'application/octet-stream';
const snapshotter = 'overlayfs';

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const messages: T[] = [];
  for await (const message of stream) messages.push(message);
  return messages;
}

/** The first messages of a stream, which is left then. */
async function first<T>(stream: AsyncIterable<T>, count = 1): Promise<T[]> {
  const messages: T[] = [];
  for await (const message of stream) if (messages.push(message) >= count) break;
  return messages;
}

/** Sends requests and takes all answers. */
async function exchange<Request, Response>(
  call: AsyncIterable<Response> & { send(request: Request): Promise<void>; end(): void },
  requests: readonly Request[],
): Promise<Response[]> {
  const answers = all(call);
  for (const request of requests) await call.send(request).catch(() => {});
  call.end();
  return answers;
}

/** What the first answer says of the request: containerd sends the last one once more when the stream ends, and its totals come and go. */
async function write(api: Api, request: object) {
  const [answer] = await exchange(api.content.write(), [request as never]);
  return answer && { action: answer.action, offset: answer.offset, digest: answer.digest };
}

const { STAT, WRITE, COMMIT } = WriteAction;

export function calls({ id, rootfs, runtime }: CallPlaces): CallStep[] {
  const program = (...args: string[]) => ({ args, cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 } });
  const spec = {
    ociVersion: '1.0.2',
    root: { path: rootfs },
    process: program('/bin/sleep', '1000'),
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
    linux: { namespaces: ['pid', 'mount', 'ipc', 'network'].map((type) => ({ type })), cgroupsPath: `/${id}` },
  };
  const target = { mediaType: TEXT, digest: DIGEST, size: HELLO.length };
  const container = { id, runtime: { name: runtime }, spec: packJson(SPEC_TYPE, spec), image: 'none' };
  const process = (...args: string[]) => packJson(PROCESS_TYPE, program(...args));
  const task = { containerId: id };
  const lease = { id: 'a-lease' };
  const resource = (type: string, name: string) => ({ ...lease, resource: { type, id: name } });
  const key = (name: string) => ({ snapshotter, key: name });
  const pod = { sandboxId: `${id}-pod`, runtime: { name: runtime } };
  return [
    ['version', async (api) => Object.keys(await api.version.version({}))],
    ['health', (api) => api.health.check({ service: '' })],
    ['health of nothing', (api) => api.health.check({ service: 'nothing' })],
    ['health, watched', (api) => first(api.health.watch({ service: '' }))],

    ['namespaces: create', (api) => api.namespaces.create({ namespace: { name: 'made', labels: { a: '1' } } })],
    ['namespaces: create again', (api) => api.namespaces.create({ namespace: { name: 'made' } })],
    ['namespaces: create, bad name', (api) => api.namespaces.create({ namespace: { name: 'bad/name' } })],
    ['namespaces: create, no name', (api) => api.namespaces.create({ namespace: { name: '' } })],
    ['namespaces: create, long label', (api) => api.namespaces.create({ namespace: { name: 'long', labels: { a: LONG } } })],
    ['namespaces: get', (api) => api.namespaces.get({ name: 'made' })],
    ['namespaces: get nothing', (api) => api.namespaces.get({ name: 'none' })],
    ['namespaces: list', (api) => api.namespaces.list({})],
    [
      'namespaces: update, one label',
      (api) => api.namespaces.update({ namespace: { name: 'made', labels: { b: '2', c: '3' } }, ...UPDATE('labels.b') }),
    ],
    ['namespaces: update, bad path', (api) => api.namespaces.update({ namespace: { name: 'made' }, ...UPDATE('name') })],
    ['namespaces: update, all', (api) => api.namespaces.update({ namespace: { name: 'made', labels: { c: '3' } } })],
    ['namespaces: get, updated', (api) => api.namespaces.get({ name: 'made' })],
    ['namespaces: delete nothing', (api) => api.namespaces.delete({ name: 'none' })],
    ['namespaces: delete', (api) => api.namespaces.delete({ name: 'made' })],

    ['leases: create', (api) => api.leases.create({ ...lease, labels: { a: '1' } })],
    ['leases: create again', (api) => api.leases.create(lease)],
    ['leases: create, no id', async (api) => ((await api.leases.create({})).lease?.id ?? '') !== ''],
    ['leases: add a resource', (api) => api.leases.addResource(resource('content', DIGEST))],
    ['leases: add a snapshot', (api) => api.leases.addResource(resource('snapshots/overlayfs', 'one'))],
    ['leases: add an ingest', (api) => api.leases.addResource(resource('ingests', 'ref'))],
    ['leases: add what is no resource', (api) => api.leases.addResource(resource('containers', 'one'))],
    ['leases: add no digest', (api) => api.leases.addResource(resource('content', 'nothing'))],
    ['leases: add a snapshot of nothing', (api) => api.leases.addResource(resource('snapshots', 'one'))],
    ['leases: add to nothing', (api) => api.leases.addResource({ id: 'none', resource: { type: 'content', id: DIGEST } })],
    ['leases: resources', (api) => api.leases.listResources(lease)],
    ['leases: resources of nothing', (api) => api.leases.listResources({ id: 'none' })],
    ['leases: resources, elsewhere', (api) => api.leases.listResources(lease, OTHER)],
    ['leases: remove a resource', (api) => api.leases.deleteResource(resource('ingests', 'ref'))],
    ['leases: remove a resource again', (api) => api.leases.deleteResource(resource('ingests', 'ref'))],
    ['leases: remove from nothing', (api) => api.leases.deleteResource({ id: 'none', resource: { type: 'content', id: DIGEST } })],
    ['leases: list, filtered', (api) => api.leases.list({ filters: ['labels.a==1'] })],
    ['leases: list, bad filter', (api) => api.leases.list({ filters: ['==='] })],
    ['leases: list, elsewhere', (api) => api.leases.list({}, OTHER)],

    ['content: write', (api) => write(api, { action: COMMIT, ref: 'a', data: HELLO, total: 5, expected: DIGEST, labels: { a: '1' } })],
    ['content: write again', (api) => write(api, { action: COMMIT, ref: 'a', data: HELLO, total: 5, expected: DIGEST })],
    ['content: write, no ref', (api) => write(api, { action: STAT })],
    ['content: write, wrong digest', (api) => write(api, { action: COMMIT, ref: 'b', data: HELLO, expected: NONE })],
    ['content: write, wrong size', (api) => write(api, { action: COMMIT, ref: 'c', data: HELLO, total: 7 })],
    ['content: write, a hole', (api) => write(api, { action: WRITE, ref: 'd', data: HELLO, offset: 9 })],
    ['content: write, a part', (api) => write(api, { action: WRITE, ref: 'e', data: HELLO, total: 10 })],
    ['content: write, no digest', (api) => write(api, { action: STAT, ref: 'f', expected: 'nothing' })],
    ['content: write, bad label', (api) => write(api, { action: COMMIT, ref: 'g', data: Buffer.from('g'), labels: { a: LONG } })],
    ['content: status', (api) => api.content.status({ ref: 'e' })],
    ['content: status of nothing', (api) => api.content.status({ ref: 'none' })],
    ['content: status, elsewhere', (api) => api.content.status({ ref: 'e' }, OTHER)],
    ['content: statuses', (api) => api.content.listStatuses({ filters: ['ref==e'] })],
    ['content: statuses, bad filter', (api) => api.content.listStatuses({ filters: ['ref=='] })],
    ['content: abort', (api) => api.content.abort({ ref: 'e' })],
    ['content: abort again', (api) => api.content.abort({ ref: 'e' })],
    ['content: info', (api) => api.content.info({ digest: DIGEST })],
    ['content: info of nothing', (api) => api.content.info({ digest: NONE })],
    ['content: info, no digest', (api) => api.content.info({ digest: 'nothing' })],
    ['content: info, elsewhere', (api) => api.content.info({ digest: DIGEST }, OTHER)],
    ['content: read', (api) => all(api.content.read({ digest: DIGEST }))],
    ['content: read, a part', (api) => all(api.content.read({ digest: DIGEST, offset: 1, size: 3 }))],
    ['content: read, too far', (api) => all(api.content.read({ digest: DIGEST, offset: 9 }))],
    ['content: read, too much', (api) => all(api.content.read({ digest: DIGEST, offset: 3, size: 9 }))],
    ['content: read, less than nothing', (api) => all(api.content.read({ digest: DIGEST, offset: -1 }))],
    ['content: read nothing', (api) => all(api.content.read({ digest: NONE }))],
    ['content: read, no digest', (api) => all(api.content.read({ digest: 'nothing' }))],
    ['content: update', (api) => api.content.update({ info: { digest: DIGEST, labels: { b: '2', c: '3' } }, ...UPDATE('labels.b') })],
    ['content: update, bad path', (api) => api.content.update({ info: { digest: DIGEST, size: 1 }, ...UPDATE('size') })],
    ['content: update, bad label', (api) => api.content.update({ info: { digest: DIGEST, labels: { a: LONG } }, ...UPDATE('labels') })],
    ['content: update nothing', (api) => api.content.update({ info: { digest: NONE, labels: {} } })],
    ['content: update, no digest', (api) => api.content.update({ info: { digest: 'nothing' } })],
    ['content: list', (api) => all(api.content.list({ filters: ['labels.b==2'] }))],
    ['content: list, bad filter', (api) => all(api.content.list({ filters: ['labels.b=2'] }))],
    ['content: list, elsewhere', (api) => all(api.content.list({}, OTHER))],

    ['images: create', (api) => api.images.create({ image: { name: 'one', target, labels: { a: '1' } } })],
    ['images: create again', (api) => api.images.create({ image: { name: 'one', target } })],
    ['images: create, no name', (api) => api.images.create({ image: { name: '', target } })],
    ['images: create, no target', (api) => api.images.create({ image: { name: 'two' } })],
    ['images: create, no media type', (api) => api.images.create({ image: { name: 'two', target: { digest: DIGEST, size: 5 } } })],
    ['images: create, no digest', (api) => api.images.create({ image: { name: 'two', target: { ...target, digest: 'nothing' } } })],
    ['images: create, no size', (api) => api.images.create({ image: { name: 'two', target: { ...target, size: 0 } } })],
    ['images: create, bad label', (api) => api.images.create({ image: { name: 'two', target, labels: { a: LONG } } })],
    ['images: get', (api) => api.images.get({ name: 'one' })],
    ['images: get nothing', (api) => api.images.get({ name: 'none' })],
    ['images: get, elsewhere', (api) => api.images.get({ name: 'one' }, OTHER)],
    ['images: list', (api) => api.images.list({ filters: ['name~=o', 'labels.a'] })],
    ['images: list, bad filter', (api) => api.images.list({ filters: ['name~=('] })],
    [
      'images: update, a label',
      (api) => api.images.update({ image: { name: 'one', target, labels: { b: '2', c: '3' } }, ...UPDATE('labels.b') }),
    ],
    ['images: update, bad path', (api) => api.images.update({ image: { name: 'one', target }, ...UPDATE('name') })],
    ['images: update nothing', (api) => api.images.update({ image: { name: 'none', target } })],
    ['images: update, no name', (api) => api.images.update({ image: { name: '', target } })],
    ['images: update, all', (api) => api.images.update({ image: { name: 'one', target, labels: { d: '4' } } })],
    ['images: update, the target to nothing', (api) => api.images.update({ image: { name: 'one', target: {} }, ...UPDATE('target') })],
    ['images: delete nothing', (api) => api.images.delete({ name: 'none' })],
    ['images: delete another target', (api) => api.images.delete({ name: 'one', target: { ...target, digest: NONE } })],
    ['images: delete', (api) => api.images.delete({ name: 'one' })],

    ['snapshots: prepare', (api) => api.snapshots.prepare({ ...key('one'), labels: { a: '1', ...KEPT } })],
    ['snapshots: prepare again', (api) => api.snapshots.prepare(key('one'))],
    ['snapshots: prepare above nothing', (api) => api.snapshots.prepare({ ...key('two'), parent: 'none' })],
    ['snapshots: prepare above what is active', (api) => api.snapshots.prepare({ ...key('two'), parent: 'one' })],
    ['snapshots: prepare, no snapshotter', (api) => api.snapshots.prepare({ key: 'two' })],
    ['snapshots: prepare, another snapshotter', (api) => api.snapshots.prepare({ snapshotter: 'none', key: 'two' })],
    ['snapshots: prepare, bad label', (api) => api.snapshots.prepare({ ...key('two'), labels: { a: LONG } })],
    ['snapshots: mounts', (api) => api.snapshots.mounts(key('one'))],
    ['snapshots: mounts of nothing', (api) => api.snapshots.mounts(key('none'))],
    ['snapshots: stat', (api) => api.snapshots.stat(key('one'))],
    ['snapshots: stat nothing', (api) => api.snapshots.stat(key('none'))],
    ['snapshots: stat, elsewhere', (api) => api.snapshots.stat(key('one'), OTHER)],
    ['snapshots: usage', (api) => api.snapshots.usage(key('one'))],
    ['snapshots: usage of nothing', (api) => api.snapshots.usage(key('none'))],
    ['diff: apply', async (api) => api.diff.apply({ diff: await tarOf(api), mounts: (await api.snapshots.mounts(key('one'))).mounts })],
    [
      'diff: apply nothing',
      async (api) =>
        api.diff.apply({ diff: { ...target, mediaType: TAR, digest: NONE }, mounts: (await api.snapshots.mounts(key('one'))).mounts }),
    ],
    [
      'diff: apply what is no layer',
      async (api) => api.diff.apply({ diff: target, mounts: (await api.snapshots.mounts(key('one'))).mounts }),
    ],
    [
      'diff: apply what is no tar',
      async (api) => api.diff.apply({ diff: { ...target, mediaType: TAR }, mounts: (await api.snapshots.mounts(key('one'))).mounts }),
    ],
    [
      'diff: compare',
      async (api) =>
        Object.keys(await api.diff.diff({ right: (await api.snapshots.mounts(key('one'))).mounts, mediaType: TAR, ref: 'diff' })),
    ],
    [
      'diff: compare, bad type',
      async (api) => api.diff.diff({ right: (await api.snapshots.mounts(key('one'))).mounts, mediaType: 'none' }),
    ],
    ['snapshots: commit', (api) => api.snapshots.commit({ snapshotter, name: 'base', key: 'one', labels: { b: '2', ...KEPT } })],
    ['snapshots: commit again', (api) => api.snapshots.commit({ snapshotter, name: 'base', key: 'one' })],
    ['snapshots: commit nothing', (api) => api.snapshots.commit({ snapshotter, name: 'more', key: 'none' })],
    ['snapshots: mounts of what is committed', (api) => api.snapshots.mounts(key('base'))],
    ['snapshots: view', (api) => api.snapshots.view({ ...key('seen'), parent: 'base', labels: KEPT })],
    ['snapshots: view again', (api) => api.snapshots.view({ ...key('seen'), parent: 'base' })],
    ['snapshots: view nothing', (api) => api.snapshots.view({ ...key('unseen'), parent: 'none' })],
    ['snapshots: commit a view', (api) => api.snapshots.commit({ snapshotter, name: 'more', key: 'seen' })],
    [
      'snapshots: update',
      (api) =>
        api.snapshots.update({
          snapshotter,
          info: { name: 'base', labels: { c: '3', ...KEPT } },
          ...UPDATE('labels'),
        }),
    ],
    ['snapshots: update, bad path', (api) => api.snapshots.update({ snapshotter, info: { name: 'base' }, ...UPDATE('parent') })],
    ['snapshots: update nothing', (api) => api.snapshots.update({ snapshotter, info: { name: 'none', labels: {} } })],
    ['snapshots: list', (api) => all(api.snapshots.list({ snapshotter, filters: ['name==base', 'parent==base'] }))],
    ['snapshots: list, bad filter', (api) => all(api.snapshots.list({ snapshotter, filters: ['name=base'] }))],
    ['snapshots: list, no snapshotter', (api) => all(api.snapshots.list({ snapshotter: 'none' }))],
    ['snapshots: remove what has children', (api) => api.snapshots.remove(key('base'))],
    ['snapshots: remove', (api) => api.snapshots.remove(key('seen'))],
    ['snapshots: remove again', (api) => api.snapshots.remove(key('seen'))],
    ['snapshots: cleanup', (api) => api.snapshots.cleanup({ snapshotter })],
    ['snapshots: cleanup of nothing', (api) => api.snapshots.cleanup({ snapshotter: 'none' })],
    ['snapshots: remove the base', (api) => api.snapshots.remove(key('base'))],

    ['containers: create', (api) => api.containers.create({ container: { ...container, labels: { a: '1', 'b.c/d': '2' } } })],
    ['containers: create again', (api) => api.containers.create({ container })],
    ['containers: create, bad id', (api) => api.containers.create({ container: { ...container, id: 'a/b' } })],
    ['containers: create, no id', (api) => api.containers.create({ container: { ...container, id: '' } })],
    ['containers: create, no runtime', (api) => api.containers.create({ container: { ...container, id: 'two', runtime: undefined } })],
    ['containers: create, no spec', (api) => api.containers.create({ container: { ...container, id: 'two', spec: undefined } })],
    [
      'containers: create, key without snapshotter',
      (api) => api.containers.create({ container: { ...container, id: 'two', snapshotKey: 'x' } }),
    ],
    ['containers: create, bad label', (api) => api.containers.create({ container: { ...container, id: 'two', labels: { a: LONG } } })],
    ['containers: get', (api) => api.containers.get({ id })],
    ['containers: get nothing', (api) => api.containers.get({ id: 'none' })],
    ['containers: get, elsewhere', (api) => api.containers.get({ id }, OTHER)],
    ['containers: list', (api) => api.containers.list({ filters: ['labels."b.c/d"==2,image~=|^no|'] })],
    ...FILTERS.map(
      (filter): CallStep => [
        `containers: list, ${filter}`,
        async (api) => (await api.containers.list({ filters: [filter] })).containers.length,
      ],
    ),
    ['containers: list, negated', (api) => api.containers.list({ filters: ['labels.a!=1'] })],
    ['containers: list, presence', (api) => api.containers.list({ filters: ['labels.none', 'labels.a'] })],
    ['containers: list, bad filter', (api) => api.containers.list({ filters: ['labels."a=1'] })],
    ['containers: list, bad operator', (api) => api.containers.list({ filters: ['id>x'] })],
    ['containers: list, elsewhere', (api) => api.containers.list({}, OTHER)],
    ['containers: stream', (api) => all(api.containers.listStream({ filters: [`id==${id}`] }))],
    ['containers: stream, bad filter', (api) => all(api.containers.listStream({ filters: ['id=='] }))],
    [
      'containers: update, a label',
      (api) => api.containers.update({ container: { id, labels: { a: '', e: '5' } }, ...UPDATE('labels.a', 'labels.e') }),
    ],
    ['containers: update, the image', (api) => api.containers.update({ container: { id, image: 'another' }, ...UPDATE('image') })],
    [
      'containers: update, an extension',
      (api) => api.containers.update({ container: { id, extensions: { x: { typeUrl: 'y', value: HELLO } } }, ...UPDATE('extensions.x') }),
    ],
    [
      'containers: update, bad path',
      (api) => api.containers.update({ container: { id, runtime: { name: 'x' } }, ...UPDATE('runtime.name') }),
    ],
    ['containers: update, the id', (api) => api.containers.update({ container: { id }, ...UPDATE('id') })],
    ['containers: update nothing', (api) => api.containers.update({ container: { id: 'none' }, ...UPDATE('labels') })],
    ['containers: update, no id', (api) => api.containers.update({ container: { id: '' } })],
    ['containers: update, another runtime', (api) => api.containers.update({ container: { ...container, runtime: { name: 'another' } } })],
    ['containers: get, updated', (api) => api.containers.get({ id })],
    ['containers: delete nothing', (api) => api.containers.delete({ id: 'none' })],

    ['tasks: create of nothing', (api) => api.tasks.create({ containerId: 'none' })],
    ['tasks: create, elsewhere', (api) => api.tasks.create(task, OTHER)],
    ['tasks: get, none yet', (api) => api.tasks.get(task)],
    ['tasks: create', (api) => api.tasks.create(task)],
    ['tasks: create again', (api) => api.tasks.create(task)],
    ['tasks: get', (api) => api.tasks.get(task)],
    ['tasks: get an exec of nothing', (api) => api.tasks.get({ ...task, execId: 'none' })],
    ['tasks: pause what has not started', (api) => api.tasks.pause(task)],
    ['tasks: start', (api) => api.tasks.start(task)],
    ['tasks: start again', (api) => api.tasks.start(task)],
    ['tasks: start nothing', (api) => api.tasks.start({ containerId: 'none' })],
    ['tasks: start an exec of nothing', (api) => api.tasks.start({ ...task, execId: 'none' })],
    ['tasks: list', (api) => api.tasks.list({})],
    ['tasks: list, elsewhere', (api) => api.tasks.list({}, OTHER)],
    ['tasks: exec', (api) => api.tasks.exec({ ...task, execId: 'e1', spec: process('/bin/sleep', '1000') })],
    ['tasks: exec again', (api) => api.tasks.exec({ ...task, execId: 'e1', spec: process('/bin/sleep', '1000') })],
    ['tasks: exec, no id', (api) => api.tasks.exec({ ...task, spec: process('/bin/true') })],
    ['tasks: exec, bad id', (api) => api.tasks.exec({ ...task, execId: 'a/b', spec: process('/bin/true') })],
    ['tasks: exec in nothing', (api) => api.tasks.exec({ containerId: 'none', execId: 'e', spec: process('/bin/true') })],
    ['tasks: get the exec', (api) => api.tasks.get({ ...task, execId: 'e1' })],
    ['tasks: start the exec', (api) => api.tasks.start({ ...task, execId: 'e1' })],
    ['tasks: resize', (api) => api.tasks.resizePty({ ...task, width: 80, height: 24 })],
    ['tasks: resize nothing', (api) => api.tasks.resizePty({ containerId: 'none', width: 80, height: 24 })],
    ['tasks: close input', (api) => api.tasks.closeIO({ ...task, stdin: true })],
    ['tasks: close input of nothing', (api) => api.tasks.closeIO({ containerId: 'none', stdin: true })],
    ['tasks: pids', async (api) => (await api.tasks.listPids(task)).processes.length],
    ['tasks: pids of nothing', (api) => api.tasks.listPids({ containerId: 'none' })],
    [
      'tasks: metrics',
      async (api) => (await api.tasks.metrics({ filters: [`id==${id}`] })).metrics.map((metric) => [metric.id, metric.data?.typeUrl]),
    ],
    ['tasks: metrics, bad filter', (api) => api.tasks.metrics({ filters: ['id='] })],
    ['tasks: metrics, elsewhere', (api) => api.tasks.metrics({}, OTHER)],
    ['tasks: update', (api) => api.tasks.update({ ...task, resources: packJson(RESOURCES_TYPE, { pids: { limit: 50 } }) })],
    ['tasks: update nothing', (api) => api.tasks.update({ containerId: 'none' })],
    ['tasks: pause', (api) => api.tasks.pause(task)],
    ['tasks: resume', (api) => api.tasks.resume(task)],
    ['tasks: pause nothing', (api) => api.tasks.pause({ containerId: 'none' })],
    ['tasks: resume nothing', (api) => api.tasks.resume({ containerId: 'none' })],
    ['tasks: checkpoint of nothing', (api) => api.tasks.checkpoint({ containerId: 'none' })],
    ['tasks: delete while it runs', (api) => api.tasks.delete(task)],
    ['tasks: delete the exec while it runs', (api) => api.tasks.deleteProcess({ ...task, execId: 'e1' })],
    ['tasks: kill an exec of nothing', (api) => api.tasks.kill({ ...task, execId: 'none', signal: 9 })],
    ['tasks: kill nothing', (api) => api.tasks.kill({ containerId: 'none', signal: 9 })],
    ['tasks: kill the exec', (api) => api.tasks.kill({ ...task, execId: 'e1', signal: 9 })],
    ['tasks: wait for the exec', (api) => api.tasks.wait({ ...task, execId: 'e1' })],
    ['tasks: delete the exec', (api) => api.tasks.deleteProcess({ ...task, execId: 'e1' })],
    ['tasks: delete the exec again', (api) => api.tasks.deleteProcess({ ...task, execId: 'e1' })],
    ['tasks: wait for nothing', (api) => api.tasks.wait({ containerId: 'none' })],
    ['namespaces: delete what has things', (api) => api.namespaces.delete({ name: 'default' })],
    ['tasks: kill', (api) => api.tasks.kill({ ...task, signal: 9 })],
    ['tasks: wait', (api) => api.tasks.wait(task)],
    ['tasks: kill what is dead', (api) => api.tasks.kill({ ...task, signal: 15 })],
    ['tasks: start what is dead', (api) => api.tasks.start(task)],
    ['tasks: delete', (api) => api.tasks.delete(task)],
    ['tasks: delete again', (api) => api.tasks.delete(task)],
    ['containers: delete', (api) => api.containers.delete({ id })],
    ['containers: delete again', (api) => api.containers.delete({ id })],

    ['events: publish', (api) => api.events.publish({ topic: '/tasks/oom', event: pack(TaskOOM, task) })],
    ['events: publish, no slash', (api) => api.events.publish({ topic: 'tasks/oom', event: pack(TaskOOM, task) })],
    ['events: publish, no topic', (api) => api.events.publish({ topic: '', event: pack(TaskOOM, task) })],
    ['events: forward', (api) => api.events.forward({ envelope: { ...envelope(task), topic: '/tasks/oom' } })],
    ['events: forward, no topic', (api) => api.events.forward({ envelope: envelope(task) })],
    [
      'events: forward, no time',
      (api) => api.events.forward({ envelope: { ...envelope(task), topic: '/tasks/oom', timestamp: undefined } }),
    ],
    [
      'events: forward, bad namespace',
      (api) => api.events.forward({ envelope: { ...envelope(task), topic: '/tasks/oom', namespace: 'a/b' } }),
    ],
    ['events: subscribe', subscribed],
    ['events: subscribe, bad filter', (api) => first(api.events.subscribe({ filters: ['topic='] }))],

    ['introspection: server', async (api) => Object.keys(await api.introspection.server({}))],
    ['introspection: a snapshotter', (api) => api.introspection.plugins({ filters: ['type==io.containerd.snapshotter.v1,id==overlayfs'] })],
    ['introspection: native', (api) => api.introspection.plugins({ filters: ['id==native'] })],
    ['introspection: walking', (api) => api.introspection.plugins({ filters: ['type==io.containerd.differ.v1'] })],
    ['introspection: restart', (api) => api.introspection.plugins({ filters: ['id==restart'] })],
    ['introspection: by capability', (api) => api.introspection.plugins({ filters: ['capabilities.always'] })],
    [
      'introspection: services',
      async (api) => (await api.introspection.plugins({ filters: ['type==io.containerd.grpc.v1'] })).plugins.map((each) => each.id).sort(),
    ],
    ['introspection: nothing', (api) => api.introspection.plugins({ filters: ['id==none'] })],
    ['introspection: bad filter', (api) => api.introspection.plugins({ filters: ['id='] })],
    ['introspection: plugin', (api) => api.introspection.pluginInfo({ type: 'io.containerd.snapshotter.v1', id: 'overlayfs' })],
    ['introspection: plugin of nothing', (api) => api.introspection.pluginInfo({ type: 'io.containerd.snapshotter.v1', id: 'none' })],

    ['streaming: a stream', (api) => firstOf(api, pack(StreamInit, { id: 'stream' }))],
    ['streaming: no beginning', (api) => firstOf(api, pack(TaskOOM, task))],
    ['streaming: the same id twice', sameStream],
    ['streaming: no id', (api) => firstOf(api, pack(StreamInit, { id: '' }))],
    [
      'transfer: an image that is not there',
      (api) => api.transfer.transfer({ source: pack(ImageStore, { name: 'none' }), destination: pack(ImageStore, { name: 'more' }) }),
    ],
    ['transfer: what nobody knows', (api) => api.transfer.transfer({ source: pack(TaskOOM, task), destination: pack(TaskOOM, task) })],
    [
      'transfer: to a stream that is not there',
      (api) =>
        api.transfer.transfer({
          source: pack(ImageStore, { name: 'none' }),
          destination: pack(ImageExportStream, { stream: 'none', mediaType: TAR }),
        }),
    ],
    [
      'transfer: progress to a stream that is not there',
      (api) =>
        api.transfer.transfer({
          source: pack(ImageStore, { name: 'none' }),
          destination: pack(ImageStore, { name: 'more' }),
          options: { progressStream: 'none' },
        }),
    ],
    ['transfer: nothing', (api) => api.transfer.transfer({})],

    ['sandboxes: create', (api) => api.sandboxes.create({ sandbox: { ...pod, labels: { a: '1' } } })],
    ['sandboxes: create again', (api) => api.sandboxes.create({ sandbox: pod })],
    ['sandboxes: create, no id', (api) => api.sandboxes.create({ sandbox: { ...pod, sandboxId: '' } })],
    ['sandboxes: get', (api) => api.sandboxes.get(pod)],
    ['sandboxes: get nothing', (api) => api.sandboxes.get({ sandboxId: 'none' })],
    ['sandboxes: get, elsewhere', (api) => api.sandboxes.get(pod, OTHER)],
    ['sandboxes: list', (api) => api.sandboxes.list({ filters: ['labels.a==1'] })],
    ['sandboxes: list, bad filter', (api) => api.sandboxes.list({ filters: ['labels.a=1'] })],
    ['sandboxes: update', (api) => api.sandboxes.update({ sandbox: { ...pod, labels: { b: '2' } }, fields: ['labels'] })],
    ['sandboxes: update, bad path', (api) => api.sandboxes.update({ sandbox: pod, fields: ['runtime'] })],
    ['sandboxes: update nothing', (api) => api.sandboxes.update({ sandbox: { ...pod, sandboxId: 'none' }, fields: ['labels'] })],
    ['sandboxes: delete', (api) => api.sandboxes.delete(pod)],
    ['sandboxes: delete again', (api) => api.sandboxes.delete(pod)],
    ['controller: create of nothing', (api) => api.controller.create({ sandboxId: 'none' })],
    ['controller: start of nothing', (api) => api.controller.start({ sandboxId: 'none' })],
    ['controller: platform of nothing', (api) => api.controller.platform({ sandboxId: 'none' })],
    ['controller: stop of nothing', (api) => api.controller.stop({ sandboxId: 'none' })],
    ['controller: wait for nothing', (api) => api.controller.wait({ sandboxId: 'none' })],
    ['controller: status of nothing', (api) => api.controller.status({ sandboxId: 'none' })],
    ['controller: shutdown of nothing', (api) => api.controller.shutdown({ sandboxId: 'none' })],

    ['content: delete, elsewhere', (api) => api.content.delete({ digest: DIGEST }, OTHER)],
    ['content: delete', (api) => api.content.delete({ digest: DIGEST })],
    ['content: delete again', (api) => api.content.delete({ digest: DIGEST })],
    ['content: delete, no digest', (api) => api.content.delete({ digest: 'nothing' })],
    ['leases: delete nothing', (api) => api.leases.delete({ id: 'none' })],
    ['leases: delete', (api) => api.leases.delete({ ...lease, sync: true })],
    ['no namespace: containers', (api) => api.containers.list({}, { namespace: ' ' })],
    ['bad namespace: content', (api) => all(api.content.list({}, { namespace: 'a/b' }))],
    ['bad namespace: tasks', (api) => api.tasks.list({}, { namespace: 'a/b' })],
    ['bad namespace: create', (api) => api.images.create({ image: { name: 'one', target } }, { namespace: 'a/b' })],
  ];
}

const TAR = 'application/vnd.oci.image.layer.v1.tar';

/** An archive of nothing: two blocks of zeros. */
async function tarOf(api: Api) {
  const data = Buffer.alloc(1024);
  const digest = digestOf(data);
  await write(api, {
    action: COMMIT,
    ref: 'tar',
    data,
    expected: digest,
    total: data.length,
    labels: KEPT,
  }).catch(() => {});
  return { mediaType: TAR, digest, size: data.length };
}

function envelope(task: { containerId: string }) {
  return { timestamp: timestampOf(1000), namespace: 'default', topic: '', event: pack(TaskOOM, task) };
}

/** An event of this namespace and one of another, of which only the first is heard. */
async function subscribed(api: Api): Promise<unknown> {
  const heard = first(api.events.subscribe({ filters: ['namespace==default,topic~=|^/heard/|'] }), 1);
  let over = false;
  const stop = () => {
    over = true;
  };
  heard.then(stop, stop);
  while (!over) {
    await api.events.publish({ topic: '/heard/one', event: pack(TaskOOM, {}) }, OTHER);
    await api.events.publish({ topic: '/heard/two', event: pack(TaskOOM, { containerId: 'x' }) });
  }
  return heard;
}

async function firstOf(api: Api, init: ReturnType<typeof pack>): Promise<unknown> {
  using stream = api.streaming.stream();
  await stream.send(init);
  return first(stream);
}

async function sameStream(api: Api): Promise<unknown> {
  const init = pack(StreamInit, { id: 'twice' });
  using stream = api.streaming.stream();
  await stream.send(init);
  // Its answer says that it is open.
  await stream[Symbol.asyncIterator]().next();
  return firstOf(api, init);
}

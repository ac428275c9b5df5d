// Runs in the virtual machine of cgroup-v2.test.ts: a shim in this process, its client and its listener for events, and a container that
// runs out of memory while it goes on. Prints what came of it as one line of JSON.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Spec } from '@berth/oci/runtime-spec';
import { pack, unpack } from '@berth/rpc/any';
import { Metrics } from '@berth/rpc/gen/containerd/cgroups/v2/metrics';
import { Task } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import { Events } from '@berth/rpc/gen/containerd/services/ttrpc/events/v1/events';
import { Options } from '@berth/rpc/gen/containerd/types/runc/options';
import { Status } from '@berth/rpc/gen/containerd/types/task/task';
import { TtrpcClient } from '@berth/rpc/ttrpc/client';
import { TtrpcServer } from '@berth/rpc/ttrpc/server';
import { ShimLog } from '@berth/shim/process/shim-log';
import { serveShim } from '@berth/shim/shim';

const ID = 'c';
const BUNDLE = '/b';
const EVENTS = '/events.sock';
const LIMIT = 32 << 20;
/** Milliseconds on an emulated processor. */
const PATIENCE = 60_000;

const spec: Spec = {
  ociVersion: '1.1.0',
  root: { path: '/b/rootfs' },
  process: {
    args: ['/bin/sh', '-c', 'sleep 0.5; tail /dev/zero; echo survived; exec sleep 1000'],
    cwd: '/',
    env: ['PATH=/bin'],
    user: { uid: 0, gid: 0 },
  },
  mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
  linux: {
    namespaces: [{ type: 'pid' }, { type: 'mount' }],
    cgroupsPath: '/berth/c',
    resources: { memory: { limit: LIMIT, swap: LIMIT }, pids: { limit: 40 } },
  },
};
mkdirSync(BUNDLE, { recursive: true });
writeFileSync(`${BUNDLE}/config.json`, JSON.stringify(spec));

const topics: string[] = [];
let step = 'serve';
setTimeout(() => {
  const read = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : 'none');
  console.log(`stuck at ${step}: ${topics} ${['/b/out', '/b/shim.log', '/sys/fs/cgroup/berth/c/memory.events'].map(read).join(' | ')}`);
  process.exit(1);
}, PATIENCE);
const listener = new TtrpcServer().register(Events, {
  forward({ envelope }) {
    topics.push(envelope?.topic ?? '');
    return {};
  },
});
listener.listen(EVENTS);
const address = await new Promise<string>((resolve, reject) => {
  const parameters = { namespace: 'n', id: ID, bundle: BUNDLE, ttrpcAddress: EVENTS, runtimeRoot: '/runtime', socketDir: '/s' };
  serveShim(parameters, new ShimLog(BUNDLE, true), new TtrpcServer(), {
    ready: (bootstrap) => resolve(bootstrap.address),
    failed: reject,
    shutdown: () => {},
  });
});
step = 'connect';
const client = await TtrpcClient.connect(address);
const task = client.stub(Task);
// An initramfs cannot be pivoted away from.
const options = pack(Options, { noPivotRoot: true });
step = 'create';
await task.create({ id: ID, bundle: BUNDLE, stdout: 'file:///b/out', options });
step = 'start';
await task.start({ id: ID });
step = 'the event';
void task.wait({ id: ID }).then((exit) => {
  step += `, ended with ${exit.exitStatus}`;
});
while (!topics.includes('/tasks/oom')) await sleep(20);
step = 'state';
const { status } = await task.state({ id: ID });
const { stats } = await task.stats({ id: ID });
assert.ok(stats);
const metrics = unpack(Metrics, stats);
step = 'kill';
await task.kill({ id: ID, signal: 9 });
const { exitStatus } = await task.wait({ id: ID });
step = 'delete';
await task.delete({ id: ID });
while (!topics.includes('/tasks/delete')) await sleep(20);
const told = {
  topics,
  running: status === Status.RUNNING,
  out: readFileSync('/b/out', 'utf8'),
  exitStatus,
  type: stats.typeUrl,
  limit: Number(metrics.memory?.usageLimit),
  oomKills: Number(metrics.memoryEvents?.oomKill),
  pids: Number(metrics.pids?.limit),
  cpu: Number(metrics.cpu?.usageUsec) > 0,
};
console.log(JSON.stringify(told));
process.exit(0);

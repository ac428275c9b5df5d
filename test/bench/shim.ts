// How long the parts of a container's life take with a forked shim, and how much memory shims have: `dist/node test/bench/shim.ts`.
// Needs root and busybox. The zygote is the built one, as in use. The machine's other load is in the figures: compare, do not quote.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Task } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import type { Stub, TtrpcClient } from '@berth/rpc/ttrpc/client';
import { Zygote } from '@berth/shim/zygote/client';

const ROUNDS = 20;
const RUNNING = 20;
/** Milliseconds between two containers: time for the zygote's spare. 0 measures requests without one. */
const PAUSE = Number(process.env.BERTH_BENCH_PAUSE ?? 100);
const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

interface Running {
  id: string;
  shim: number;
  client: TtrpcClient;
  task: Stub<typeof Task>;
}

const directory = mkdtempSync('/tmp/berth-bench-');
const samples = new Map<string, number[]>();
const running: Running[] = [];
let last = 0;

mkdirSync(join(directory, 'rootfs/bin'), { recursive: true });
mkdirSync(join(directory, 'rootfs/proc'));
copyFileSync('/usr/bin/busybox', join(directory, 'rootfs/bin/sh'));
const begin = performance.now();
await using zygote = await Zygote.spawn({
  stateDir: directory,
  program: join(ROOT, 'dist/berth-zygote.js'),
  log: (message) => console.error(message),
});
console.log(`zygote ready after ${(performance.now() - begin).toFixed(0)} ms, forking: ${zygote.forking}`);
try {
  for (let round = 0; round < ROUNDS; round++) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    const container = await create(`bench-${process.pid}-${round}`, 'exit 0');
    const waiting = container.task.wait({ id: container.id });
    await measure('start', () => container.task.start({ id: container.id }));
    await measure('wait', () => waiting);
    await measure('delete', () => container.task.delete({ id: container.id }));
    await end(container);
  }
  for (const [name, times] of samples) console.log(line(name, times, 'ms'));
  for (let count = 0; count < RUNNING; count++) {
    const container = await create(`bench-${process.pid}-r${count}`, 'sleep 1000');
    await container.task.start({ id: container.id });
    running.push(container);
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const name of ['Pss', 'Private_Dirty']) {
    console.log(
      line(
        `${name} of a shim, ${RUNNING} running`,
        running.map(({ shim }) => memory(shim, name)),
        'MB',
      ),
    );
  }
} finally {
  for (const container of running) {
    await container.task.kill({ id: container.id, signal: 9, all: true });
    await container.task.wait({ id: container.id });
    await container.task.delete({ id: container.id });
    await end(container);
  }
  rmSync(directory, { recursive: true, force: true });
}

async function create(id: string, script: string): Promise<Running> {
  const bundle = join(directory, id);
  mkdirSync(bundle);
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec(id, script)));
  last = performance.now();
  const { bootstrap, client } = await measure('a shim that serves', () =>
    zygote.startShim({ namespace: 'bench', id, bundle, ttrpcAddress: '', runtimeRoot: join(directory, 'runtime') }, async () => {}),
  );
  const task = client.stub(Task);
  const log = `attach://${bundle}/a?log=json-file&path=${bundle}/log`;
  await measure('create', () => task.create({ id, bundle, stdout: log, stderr: log }));
  return { id, shim: bootstrap.pid, client, task };
}

async function end({ id, client, task }: Running): Promise<void> {
  sample('in all', performance.now() - last);
  await task.shutdown({ id });
  await client.closed();
}

function spec(id: string, script: string): object {
  return {
    ociVersion: '1.2.0',
    root: { path: join(directory, 'rootfs') },
    process: { args: ['/bin/sh', '-c', script], cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 } },
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
    linux: { namespaces: ['pid', 'mount', 'uts', 'ipc', 'network'].map((type) => ({ type })), cgroupsPath: `/berth-${id}` },
  };
}

async function measure<T>(name: string, body: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await body();
  sample(name, performance.now() - start);
  return result;
}

function sample(name: string, value: number): void {
  const times = samples.get(name) ?? [];
  samples.set(name, times);
  times.push(value);
}

/** Megabytes. */
function memory(pid: number, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
  return Number(found?.[1]) / 1024;
}

function line(name: string, values: number[], unit: string): string {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (share: number) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2);
  return `${name.padEnd(32)} median ${at(0.5)} ${unit}, fastest ${at(0)}, slowest ${at(1)}`;
}

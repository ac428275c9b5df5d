// Makes the zygote warm: it lives the life of a few containers itself, through its own sockets, before it forks anybody. What is
// compiled, cached and allocated on the way is shared by every shim. A real container, since everything less leaves the slowest
// paths cold; a host that refuses one (no root, no cgroups) gets a colder zygote, nothing else.
//
// This is the only time that the zygote runs its event loop. When it is done no handle, no child and no thread is left.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Process, Spec } from '@berth/oci/runtime-spec';
import { PROCESS_TYPE, packJson } from '@berth/rpc/any';
import { Orders } from '@berth/rpc/gen/berth/shim/v1/orders';
import { Task } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import { Events } from '@berth/rpc/gen/containerd/services/ttrpc/events/v1/events';
import { type Stub, TtrpcClient } from '@berth/rpc/ttrpc/client';
import { TtrpcServer } from '@berth/rpc/ttrpc/server';
import { type PreparedInit, prepareInit } from '@berth/runtime/prepared-init';
import { rehearse } from '@berth/runtime/rehearsal';
import { socketPair } from '@berth/sys/fd-passing';
import { setChildSubreaper } from '@berth/sys/process';
import { tinyProgram } from '@berth/sys/tiny-program';
import { formatTraceparent, newTraceContext, TRACEPARENT } from '@berth/trace/context';
import { ShimLog } from '../process/shim-log.ts';
import { type ServedShim, serveShim } from '../shim.ts';
import { takeOrders } from '../zygote/orders.ts';
import type { ShimParameters } from '../zygote/protocol.ts';
import { drySpec } from './dry-spec.ts';

/** Enough for V8 to have baseline code and settled inline caches; more costs start-up time. */
const ROUNDS = 4;

/** Returns why it stayed cold, if it did. Everything it made is gone again. */
export async function warmUp(): Promise<string | undefined> {
  try {
    await withRoot(async (root) => {
      // Inits are forked ahead and forked for.
      for (let round = 0; round < ROUNDS; round++)
        await liveHere(root, `warm-${process.pid}-${round}`, round % 2 === 0 ? undefined : prepareInit());
      rehearseInit(root);
    });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await settled();
  }
}

/**
 * Drives a shim that waits for orders at the other end of `client` through the life of a container. `created` runs while its init waits with
 * all its memory, `lived` before its deletion.
 */
export function driveShim(client: TtrpcClient, created: (pid: number) => void, lived: () => void): Promise<void> {
  return withRoot(async (root) => {
    const id = `trial-${process.pid}`;
    const end = async () => {
      await client.stub(Task).shutdown({ id });
    };
    const spec = drySpec(id, join(root, 'rootfs'));
    // With such a limit it waits as the process that it is (runtime/init/wait-as-program.ts).
    spec.process?.rlimits?.push({ type: 'RLIMIT_AS', soft: 2 ** 52, hard: 2 ** 52 });
    await live(root, { id, spec, client, end, created, meanwhile: async () => {}, lived });
  });
}

async function withRoot(body: (root: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'berth-warm-'));
  setChildSubreaper(true);
  try {
    mkdirSync(join(root, 'rootfs/bin'), { recursive: true });
    for (const directory of ['proc', 'dev', 'sys', 'etc']) mkdirSync(join(root, 'rootfs', directory));
    writeFileSync(join(root, 'rootfs/bin/warm'), tinyProgram(), { mode: 0o755 });
    await body(root);
  } finally {
    setChildSubreaper(false);
    rmSync(root, { recursive: true, force: true });
  }
}

/** Init's own part runs in forked children, which take what they learned with them: so it is played here as well. */
function rehearseInit(root: string): void {
  const id = `warm-${process.pid}`;
  const spec = drySpec(id, join(root, 'rootfs'));
  rehearse({ id, bundle: root, root: join(root, 'runtime'), spec, stdio: { stdin: 0, stdout: 1, stderr: 2 } }, ROUNDS);
}

type TaskStub = Stub<typeof Task>;
type NameStream = (suffix: string) => string;

/** The shim is in this process, and has two execs as well. */
async function liveHere(root: string, id: string, prepared: PreparedInit | undefined): Promise<void> {
  const [superiors, childs] = socketPair('stream');
  using client = new TtrpcClient(new Socket({ fd: superiors }));
  let shim: ServedShim | undefined;
  takeOrders(new Socket({ fd: childs }), (parameters, server, told) => {
    shim = serveShim(parameters, new ShimLog(parameters.bundle, false), server, { ...told, shutdown: () => {} }, prepared);
  });
  const spec = drySpec(id, join(root, 'rootfs'));
  await live(root, { id, spec, client, end: async () => shim?.end(), created() {}, meanwhile: execs, lived() {} });
}

interface Life {
  id: string;
  spec: Spec;
  client: TtrpcClient;
  /** Between create and start. */
  created(pid: number): void;
  /** Between start and exit. */
  meanwhile(task: TaskStub, id: string, spec: Spec, name: NameStream): Promise<void>;
  /** Between exit and deletion. */
  lived(): void;
  /** Of the shim. */
  end(): Promise<void>;
}

/** One container from create to delete, with a log and an attached client. */
async function live(root: string, { id, spec, client, created, meanwhile, lived, end }: Life): Promise<void> {
  const bundle = join(root, id);
  mkdirSync(bundle);
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
  const ttrpcAddress = join(bundle, 'e');
  const events = new TtrpcServer().register(Events, { forward: () => ({}) });
  events.listen(ttrpcAddress);
  const parameters: ShimParameters = {
    namespace: 'warm',
    id,
    bundle,
    ttrpcAddress,
    eventsInOrder: true,
    runtimeRoot: join(root, 'runtime'),
    socketDir: join(root, 's'),
    traceDir: join(root, 'traces'),
  };
  try {
    const { address } = await client.call(Orders.name, Orders.methods.assign, parameters);
    (await TtrpcClient.connect(address)).close();
    const task = client.stub(Task);
    const options = () => ({ metadata: [[TRACEPARENT, formatTraceparent(newTraceContext())] as const] });
    const name = (suffix: string) => `attach://${join(bundle, suffix)}.sock?log=json-file&path=${join(bundle, suffix)}.log&stdin-once=1`;
    const { pid } = await task.create({ id, bundle, stdin: name('init'), stdout: name('init'), stderr: name('init') }, options());
    try {
      created(pid);
      const waiting = task.wait({ id }).catch(() => {});
      const attached = attach(join(bundle, 'init.sock'));
      await task.start({ id }, options());
      await task.state({ id });
      await meanwhile(task, id, spec, name);
      await task.closeIO({ id, stdin: true });
      await Promise.all([waiting, attached]);
      lived();
    } finally {
      await task.kill({ id, signal: 9, all: true }).catch(() => {});
      await task.wait({ id }).catch(() => {});
      await task.delete({ id }, options());
    }
  } finally {
    await end();
    events.close();
  }
}

async function execs(task: TaskStub, id: string, spec: Spec, name: NameStream): Promise<void> {
  await exec(task, id, spec.process, { stdin: '', stdout: name('exec'), stderr: name('exec'), terminal: false });
  await exec(task, id, spec.process, { stdin: name('tty'), stdout: name('tty'), stderr: '', terminal: true });
}

type Stdio = { stdin: string; stdout: string; stderr: string; terminal: boolean };

async function exec(task: TaskStub, id: string, process: Process | undefined, stdio: Stdio): Promise<void> {
  const execId = stdio.terminal ? 'tty' : 'exec';
  await task.exec({ id, execId, spec: packJson(PROCESS_TYPE, process), ...stdio });
  const waiting = task.wait({ id, execId }).catch(() => {});
  await task.start({ id, execId });
  if (stdio.terminal) {
    await task.resizePty({ id, execId, width: 80, height: 24 });
    await task.kill({ id, execId, signal: 9 }).catch(() => {});
  }
  await waiting;
  await task.delete({ id, execId });
}

/** Reads an attach socket to its end. */
function attach(path: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.write('{"stdin":true,"stdout":true,"stderr":true}\n');
    socket
      .resume()
      .on('error', () => {})
      .on('close', () => resolve());
  });
}

/** Lets closing handles close: a few turns of the event loop. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

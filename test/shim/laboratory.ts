// A place for shims: throw-away directories, a busybox root filesystem, a listener for events, and the certainty that nothing is
// left of it. Everything has its own names, for suites run side by side.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { basename, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Process, Spec } from '@berth/oci/runtime-spec';
import * as events from '@berth/rpc/gen/containerd/events/task';
import { Task } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import { Events } from '@berth/rpc/gen/containerd/services/ttrpc/events/v1/events';
import type { Stub, TtrpcClient } from '@berth/rpc/ttrpc/client';
import { TtrpcServer } from '@berth/rpc/ttrpc/server';
import { deleteDeadShim, Zygote, type ZygoteOptions } from '@berth/shim/zygote/client';
import type { ShimBootstrap } from '@berth/shim/zygote/protocol';
import { eventually } from '../harness/eventually.ts';

export const NAMESPACE = 'test';

/** One shim with a client connected to it. */
export interface Shim extends ShimBootstrap {
  id: string;
  bundle: string;
  client: TtrpcClient;
  task: Stub<typeof Task>;
}

export interface SeenEvent {
  topic: string;
  // biome-ignore lint/suspicious/noExplicitAny: a payload of containerd/events/task
  event: any;
}

const EVENT_TYPES = new Map(
  [
    events.TaskCreate,
    events.TaskStart,
    events.TaskExit,
    events.TaskDelete,
    events.TaskOOM,
    events.TaskExecAdded,
    events.TaskExecStarted,
    events.TaskPaused,
    events.TaskResumed,
  ].map((type) => [type.fullName, type as { decode(bytes: Uint8Array): unknown }]),
);

export class Laboratory {
  readonly root = mkdtempSync('/tmp/berth-shim-');
  readonly rootfs = join(this.root, 'rootfs');
  readonly ttrpcAddress = join(this.root, 'e.sock');
  readonly events: SeenEvent[] = [];
  readonly messages: string[] = [];
  readonly shims: Shim[] = [];
  zygote!: Zygote;
  #events: TtrpcServer | undefined;
  #count = 0;

  static async open(t: TestContext, options: Partial<ZygoteOptions> = {}): Promise<Laboratory> {
    const laboratory = new Laboratory();
    t.after(() => laboratory.close());
    laboratory.#makeRootfs();
    laboratory.listen();
    laboratory.zygote = await Zygote.spawn({
      stateDir: laboratory.root,
      log: (message) => laboratory.messages.push(message),
      ...options,
    });
    return laboratory;
  }

  /** A shim for a container whose first process runs `script` in busybox's shell. */
  async shim(script: string, change: (spec: Spec) => void = () => {}): Promise<Shim> {
    const id = `${basename(this.root)}-${this.#count++}`;
    const bundle = join(this.root, id);
    mkdirSync(bundle);
    const spec = this.spec(id, script);
    change(spec);
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
    const parameters = { namespace: NAMESPACE, id, bundle, ttrpcAddress: this.ttrpcAddress, runtimeRoot: join(this.root, 'runtime') };
    const { bootstrap, client } = await this.zygote.startShim(parameters, async () => {});
    const shim = { ...bootstrap, id, bundle, client, task: client.stub(Task) };
    this.shims.push(shim);
    return shim;
  }

  /** Creates and starts the container; the attach socket and the log are where `attachPath` and `logPath` say. */
  async run(script: string, stdio: { terminal?: boolean; stdin?: boolean; query?: string } = {}): Promise<Shim> {
    const shim = await this.shim(script, (spec) => {
      if (spec.process) spec.process.terminal = stdio.terminal === true;
    });
    await this.create(shim, stdio);
    await shim.task.start({ id: shim.id });
    return shim;
  }

  async create(shim: Shim, { terminal = false, stdin = false, query = '' } = {}): Promise<void> {
    const uri = `attach://${this.attachPath(shim)}?log=json-file&path=${this.logPath(shim)}${query}`;
    await shim.task.create({
      id: shim.id,
      bundle: shim.bundle,
      terminal,
      stdin: stdin ? uri : '',
      stdout: uri,
      stderr: terminal ? '' : uri,
    });
  }

  attachPath(shim: Shim): string {
    return join(shim.bundle, 'a.sock');
  }

  logPath(shim: Shim): string {
    return join(shim.bundle, 'json.log');
  }

  /** The log's text of one stream, or of both. */
  logged(shim: Shim, stream?: 'stdout' | 'stderr'): string {
    const lines = readFileSync(this.logPath(shim), 'utf8').split('\n').filter(Boolean);
    const entries = lines.map((line) => JSON.parse(line) as { log: string; stream: string; time: string });
    return entries
      .filter((entry) => !stream || entry.stream === stream)
      .map((entry) => entry.log)
      .join('');
  }

  spec(id: string, script: string): Spec {
    return {
      ociVersion: '1.1.0',
      root: { path: this.rootfs },
      process: this.process(script),
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc' },
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
        {
          destination: '/dev/pts',
          type: 'devpts',
          source: 'devpts',
          options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
        },
      ],
      linux: { namespaces: (['pid', 'mount', 'uts', 'ipc', 'network'] as const).map((type) => ({ type })), cgroupsPath: `/${id}` },
    };
  }

  process(script: string): Process {
    return { args: ['/bin/sh', '-c', script], cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 } };
  }

  /** (Re)starts the events' listener, as a lifecycle service that comes back would. */
  listen(): void {
    this.#events = new TtrpcServer().register(Events, {
      forward: ({ envelope }) => {
        const any = envelope?.event;
        const type = EVENT_TYPES.get(any?.typeUrl ?? '');
        this.events.push({ topic: envelope?.topic ?? '', event: any && type?.decode(Buffer.from(any.value)) });
        return {};
      },
    });
    this.#events.listen(this.ttrpcAddress);
  }

  unlisten(): void {
    this.#events?.close();
  }

  /** Waits until an event of this topic has come (the `count`th). */
  async event(topic: string, count = 1): Promise<SeenEvent> {
    return eventually(() => this.events.filter((each) => each.topic === topic)[count - 1], `event ${topic}`);
  }

  /** Deletes every container, ends every shim and the zygote, removes every file. */
  async close(): Promise<void> {
    for (const { id, bundle, client, pid } of this.shims) {
      client.close();
      if (alive(pid)) process.kill(pid, 'SIGKILL');
      await eventually(() => !alive(pid), `the end of shim ${pid}`);
      if (!existsSync(join(this.root, 'runtime', id))) continue;
      await deleteDeadShim({ namespace: NAMESPACE, id, bundle, socketDir: join(this.root, 's'), runtimeRoot: join(this.root, 'runtime') });
    }
    this.unlisten();
    await this.zygote?.close();
    rmSync(this.root, { recursive: true, force: true });
  }

  #makeRootfs(): void {
    for (const directory of ['bin', 'proc', 'dev', 'tmp']) mkdirSync(join(this.rootfs, directory), { recursive: true });
    copyFileSync(busybox(), join(this.rootfs, 'bin/busybox'));
    for (const name of ['sh', 'cat', 'echo', 'sleep', 'seq', 'stty', 'yes', 'head', 'true', 'kill', 'printf', 'ls', 'wc', 'id', 'grep']) {
      symlinkSync('busybox', join(this.rootfs, 'bin', name));
    }
  }
}

/** The static busybox of Debian's busybox-static. */
function busybox(): string {
  for (const directory of (process.env.PATH ?? '').split(':')) {
    if (directory && readdirSync(directory, { encoding: 'utf8' }).includes('busybox')) return join(directory, 'busybox');
  }
  throw new Error('busybox is missing: apt-get install busybox-static');
}

export function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** A client of an attach socket. */
export class Attached {
  readonly socket: Socket;
  readonly ended: Promise<void>;
  readonly #chunks: Buffer[] = [];

  constructor(path: string, wish: { stdin?: boolean; stdout?: boolean; stderr?: boolean }) {
    this.socket = connect({ path, allowHalfOpen: true });
    this.socket.write(`${JSON.stringify(wish)}\n`);
    this.socket.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    this.socket.on('error', () => {});
    this.ended = new Promise((resolve) => this.socket.on('end', resolve).on('close', resolve));
    this.socket.on('end', () => this.socket.end());
  }

  get raw(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  /** The text of one stream, out of stdcopy's frames. */
  text(stream: 1 | 2): string {
    const all = Buffer.concat(this.#chunks);
    let text = '';
    for (let at = 0; at + 8 <= all.length; ) {
      const length = all.readUInt32BE(at + 4);
      if (all[at] === stream) text += all.toString('utf8', at + 8, at + 8 + length);
      at += 8 + length;
    }
    return text;
  }
}

// A berth-lifecycle of one's own: throw-away roots, a busybox root filesystem, a client, and the certainty that nothing is left of it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Process, Spec } from '@berth/oci/runtime-spec';
import { PROCESS_TYPE, packJson, SPEC_TYPE } from '@berth/rpc/any';
import * as taskEvents from '@berth/rpc/gen/containerd/events/task';
import { Containers } from '@berth/rpc/gen/containerd/services/containers/v1/containers';
import { Events } from '@berth/rpc/gen/containerd/services/events/v1/events';
import { Tasks } from '@berth/rpc/gen/containerd/services/tasks/v1/tasks';
import { Version } from '@berth/rpc/gen/containerd/services/version/v1/version';
import { GrpcConnection, type ServiceClient } from '@berth/rpc/grpc/client';
import { eventually } from '../harness/eventually.ts';
import { program, type Result, ROOT, run } from '../harness/programs.ts';

export const NAMESPACE = 'lab';

/** The built program. */
export const LIFECYCLE = join(ROOT, 'bin/berth-lifecycle');
const TYPES = new Map(Object.values(taskEvents).map((type) => [type.fullName as string, type as { decode(bytes: Uint8Array): unknown }]));

export interface SeenEvent {
  topic: string;
  namespace: string;
  // biome-ignore lint/suspicious/noExplicitAny: a payload of containerd/events/task
  event: any;
}

export class Laboratory {
  readonly directory = mkdtempSync('/tmp/berth-lc-');
  readonly address = join(this.directory, 'l.sock');
  readonly rootfs = join(this.directory, 'rootfs');
  readonly events: SeenEvent[] = [];
  output = '';
  process!: ChildProcess;
  connection!: GrpcConnection;
  containers!: ServiceClient<typeof Containers>;
  tasks!: ServiceClient<typeof Tasks>;
  #count = 0;

  static async open(t: TestContext, flags: readonly string[] = []): Promise<Laboratory> {
    const laboratory = new Laboratory();
    t.after(() => laboratory.close());
    laboratory.#makeRootfs();
    await laboratory.start(flags);
    return laboratory;
  }

  async start(flags: readonly string[] = []): Promise<void> {
    this.process = spawn(LIFECYCLE, [...this.flags(), ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    this.connection = new GrpcConnection(this.address, { namespace: NAMESPACE });
    await this.connection.ready(20_000);
    this.containers = this.connection.client(Containers);
    this.tasks = this.connection.client(Tasks);
    // A subscription stands once the server has answered a call that was made after it.
    void this.#listen(this.connection);
    await this.connection.client(Version).version({});
  }

  flags(): string[] {
    return ['--root', join(this.directory, 'root'), '--state', join(this.directory, 'state'), '--address', this.address];
  }

  /** Ends the service as an operator does, or as the kernel would. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.connection.close();
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill(signal);
      await once(this.process, 'exit');
    }
    return this.process.exitCode;
  }

  /** Ids are unique on the machine: cgroups are called by them. */
  nextId(): string {
    return `${basename(this.directory)}-${this.#count++}`;
  }

  /** Waits for a file of the containers' common root filesystem, and takes it away. */
  async seen(path: string): Promise<void> {
    const file = join(this.rootfs, path);
    await eventually(() => existsSync(file), path);
    rmSync(file);
  }

  /** A container whose first process runs `script` in busybox's shell. */
  async container(
    script: string,
    { id = this.nextId(), runtime = 'io.containerd.berth.v1', change = (_spec: Spec) => {} } = {},
  ): Promise<string> {
    const spec = this.spec(id, script);
    change(spec);
    await this.containers.create({ container: { id, runtime: { name: runtime }, spec: packJson(SPEC_TYPE, spec) } });
    return id;
  }

  /** A container with its task started. */
  async run(script: string, options: Parameters<Laboratory['container']>[1] & { stdout?: string } = {}): Promise<string> {
    const id = await this.container(script, options);
    await this.tasks.create({ containerId: id, stdout: options.stdout ?? '' });
    await this.tasks.start({ containerId: id });
    return id;
  }

  /** Kills the task if it runs, and deletes everything. */
  async remove(id: string): Promise<void> {
    await this.tasks.kill({ containerId: id, signal: 9, all: true }).catch(() => {});
    await this.tasks.wait({ containerId: id }).catch(() => {});
    await this.tasks.delete({ containerId: id }).catch(() => {});
    await this.containers.delete({ id });
  }

  spec(id: string, script: string): Spec {
    return {
      ociVersion: '1.1.0',
      root: { path: this.rootfs },
      process: JSON.parse(this.shell(script)),
      mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
      linux: { namespaces: (['pid', 'mount', 'uts', 'ipc', 'network'] as const).map((type) => ({ type })), cgroupsPath: `/${id}` },
    };
  }

  /** An exec's process. */
  exec(script: string) {
    return { typeUrl: PROCESS_TYPE, value: Buffer.from(this.shell(script)) };
  }

  shell(script: string): string {
    const process: Process = { args: ['/bin/sh', '-c', script], cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 } };
    return JSON.stringify(process);
  }

  bundle(id: string): string {
    return join(this.directory, 'state/io.containerd.runtime.v2.task', NAMESPACE, id);
  }

  /** The pid of a Berth container's shim. */
  shimPid(id: string): number {
    return JSON.parse(readFileSync(join(this.bundle(id), 'bootstrap.json'), 'utf8')).pid;
  }

  ctr(...args: string[]): Promise<Result> {
    return run(program('ctr'), ['--address', this.address, '--namespace', NAMESPACE, ...args], { timeout: 20_000 });
  }

  topics(id: string): string[] {
    return this.events.filter(({ event }) => event?.containerId === id).map(({ topic }) => topic);
  }

  event(topic: string, id: string): Promise<SeenEvent> {
    return eventually(() => this.events.find((each) => each.topic === topic && each.event?.containerId === id), `${topic} of ${id}`);
  }

  /** Whatever a test left running goes, and every file. */
  async close(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) await this.start();
    for (const { id } of (await this.containers.list({})).containers) await this.remove(id);
    const state = join(this.directory, 'state/io.containerd.runtime.v2.task', NAMESPACE);
    const left = existsSync(state) ? readdirSync(state) : [];
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`tasks were left: ${left.join(', ')}`);
  }

  async #listen(connection: GrpcConnection): Promise<void> {
    try {
      for await (const { topic, namespace, event } of connection.client(Events).subscribe({})) {
        const type = TYPES.get(event?.typeUrl ?? '');
        this.events.push({ topic, namespace, event: event && type?.decode(event.value) });
      }
    } catch {
      // The service stopped.
    }
  }

  #makeRootfs(): void {
    for (const directory of ['bin', 'proc', 'dev', 'sys', 'tmp']) mkdirSync(join(this.rootfs, directory), { recursive: true });
    copyFileSync(busybox(), join(this.rootfs, 'bin/busybox'));
    for (const name of ['sh', 'cat', 'echo', 'sleep', 'true', 'false', 'kill', 'ls'])
      symlinkSync('busybox', join(this.rootfs, 'bin', name));
  }
}

function busybox(): string {
  const named = program('busybox');
  if (named.startsWith('/')) return named;
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .map((directory) => join(directory, named))
    .find((path) => existsSync(path));
  if (!found) throw new Error('busybox is missing: apt-get install busybox-static');
  return found;
}

export function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

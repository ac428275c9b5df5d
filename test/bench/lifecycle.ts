// The lifecycle service beside containerd: a whole `ctr run`, what two hundred running containers take of memory, and what five
// hundred lives of a container leave behind in the processes that stay.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Spec } from '@berth/oci/runtime-spec';
import { packJson, SPEC_TYPE } from '@berth/rpc/any';
import { Containers } from '@berth/rpc/gen/containerd/services/containers/v1/containers';
import { Tasks } from '@berth/rpc/gen/containerd/services/tasks/v1/tasks';
import { GrpcConnection } from '@berth/rpc/grpc/client';
import { type LifecycleName, LifecyclePeer, unless } from '../seams/peers.ts';
import { makeRootfs } from '../seams/rootfs.ts';
import { compareInTurn } from './measure.ts';
import { comparisonRow, type Row } from './table.ts';

const RUNNING = 200;
const CYCLES = 500;
/** Cycles until caches are full: growth is counted from there. */
const WARM = 100;
const RUNTIME: Record<LifecycleName, string> = { 'berth-lifecycle': 'io.containerd.berth.v1', containerd: 'io.containerd.runc.v2' };
const SHIM: Record<LifecycleName, RegExp> = { 'berth-lifecycle': /^berth-shim /, containerd: /^\S*containerd-shim-runc-v2/ };

export async function rows(runs: number): Promise<Row[]> {
  const missing = unless('containerd', 'runc', 'ctr');
  if (missing !== false) return [{ name: 'ctr run', unit: 'ratio', ours: '', theirs: 'missing', note: missing }];
  const directory = mkdtempSync('/tmp/berth-bench-');
  try {
    const rootfs = await makeRootfs(join(directory, 'rootfs'));
    await using berth = await Side.start('berth-lifecycle', rootfs);
    await using containerd = await Side.start('containerd', rootfs);
    for (const side of [berth, containerd]) for (let n = 0; n < 3; n++) await side.ctrRun();
    const run = await compareInTurn(
      () => berth.ctrRun(),
      () => containerd.ctrRun(),
      runs,
    );
    const ours = await berth.crowd();
    const theirs = await containerd.crowd();
    const flat = await berth.cycles();
    const version = /Server:\s+Version:\s+(\S+)/.exec((await containerd.peer.ctr(['version'])).stdout)?.[1];
    return [
      { ...comparisonRow('ctr run --rm --rootfs ROOTFS ID /bin/true', 0.4, run), note: `containerd: ${version}` },
      sizes(`memory of one shim (PSS), ${RUNNING} containers running`, 5, 'MB', ours.shim, theirs.shim),
      sizes('memory of the service, growth for each of them', 100, 'kB', ours.growth, theirs.growth),
      ...flat,
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function sizes(name: string, atMost: number, unit: 'MB' | 'kB', ours: number, theirs: number): Row {
  return { name, atMost, unit, ours: `${ours.toFixed(2)} ${unit}`, theirs: `${theirs.toFixed(2)} ${unit}`, value: ours };
}

class Side implements AsyncDisposable {
  readonly peer: LifecyclePeer;
  readonly #rootfs: string;
  readonly #connection: GrpcConnection;
  #count = 0;

  private constructor(peer: LifecyclePeer, rootfs: string) {
    this.peer = peer;
    this.#rootfs = rootfs;
    this.#connection = new GrpcConnection(peer.address, { namespace: 'default' });
  }

  static async start(name: LifecycleName, rootfs: string): Promise<Side> {
    return new Side(await LifecyclePeer.start(name, [], { logLevel: 'info' }), rootfs);
  }

  /** Milliseconds of the whole command. */
  async ctrRun(): Promise<number> {
    const flags = ['run', '--rm', '--runtime', RUNTIME[this.peer.name], '--rootfs', this.#rootfs];
    const started = performance.now();
    const { code, stderr } = await this.peer.ctr([...flags, this.#id(), '/bin/true']);
    if (code !== 0) throw new Error(`ctr run: ${stderr}`);
    return performance.now() - started;
  }

  /** Megabytes of a shim, and kilobytes of the service for each container, with all of them running. */
  async crowd(): Promise<{ shim: number; growth: number }> {
    // What the first container of all brings about is not the two hundredth's.
    for (let n = 0; n < 5; n++) await this.#remove(await this.#run('sleep', '3600'));
    const before = memoryOf(this.peer.pid, 'Rss');
    const ids: string[] = [];
    for (let n = 0; n < RUNNING; n++) ids.push(await this.#run('sleep', '3600'));
    await sleep(2000);
    const shims = processes(SHIM[this.peer.name]).filter((pid) => ids.includes(containerOf(pid)));
    if (shims.length !== RUNNING) throw new Error(`${shims.length} shims of ${RUNNING} containers`);
    const shim = shims.reduce((sum, pid) => sum + memoryOf(pid, 'Pss'), 0) / shims.length / 1000;
    const growth = (memoryOf(this.peer.pid, 'Rss') - before) / RUNNING;
    for (const id of ids) await this.#remove(id);
    return { shim, growth };
  }

  /** Create, start, wait, delete: memory and descriptors of those that stay, from when they are warm to the end. */
  async cycles(): Promise<Row[]> {
    const zygote = processes(/^berth-zygote/).find((pid) => parentOf(pid) === this.peer.pid);
    const stay: Record<string, number | undefined> = { service: this.peer.pid, zygote };
    const look = () => Object.entries(stay).flatMap(([name, pid]) => (pid === undefined ? [] : [[name, measured(pid)] as const]));
    let warm = look();
    for (let n = 0; n < CYCLES; n++) {
      if (n === WARM) warm = look();
      const id = await this.#run('true');
      await this.#remove(id);
    }
    await sleep(1000);
    return look().map(([name, { rss, descriptors }], at) => {
      const before = warm[at]?.[1] ?? { rss, descriptors };
      return {
        name: `${name} after ${WARM} and ${CYCLES} cycles of create, start, delete: growth`,
        unit: 'MB',
        ours: `${(before.rss / 1000).toFixed(1)} → ${(rss / 1000).toFixed(1)} MB, ${before.descriptors} → ${descriptors} descriptors`,
        theirs: '',
        value: (rss - before.rss) / 1000,
      };
    });
  }

  async #run(...args: string[]): Promise<string> {
    const id = this.#id();
    const spec = specOf(id, args);
    await this.#connection
      .client(Containers)
      .create({ container: { id, runtime: { name: RUNTIME[this.peer.name] }, spec: packJson(SPEC_TYPE, spec) } });
    const tasks = this.#connection.client(Tasks);
    const rootfs = [{ type: 'bind', source: this.#rootfs, options: ['rbind', 'rw'] }];
    await tasks.create({ containerId: id, rootfs });
    await tasks.start({ containerId: id });
    return id;
  }

  async #remove(id: string): Promise<void> {
    const tasks = this.#connection.client(Tasks);
    await tasks.kill({ containerId: id, signal: 9, all: true }).catch(() => {});
    await tasks.wait({ containerId: id });
    await tasks.delete({ containerId: id });
    await this.#connection.client(Containers).delete({ id });
  }

  #id(): string {
    return `bench-${process.pid}-${this.peer.name}-${this.#count++}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.close();
    await this.peer[Symbol.asyncDispose]();
  }
}

function specOf(id: string, args: readonly string[]): Spec {
  return {
    ociVersion: '1.0.2',
    root: { path: 'rootfs' },
    process: { args: ['/bin/busybox', ...args], cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 } },
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
    linux: { namespaces: (['pid', 'mount', 'uts', 'ipc', 'network'] as const).map((type) => ({ type })), cgroupsPath: `/${id}` },
  };
}

/** Process ids by the beginning of their command lines. */
function processes(command: RegExp): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) && command.test(commandOf(Number(name))) ? [Number(name)] : []));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

/** `berth-shim default/ID`, `containerd-shim-runc-v2 … -id ID …`. */
function containerOf(pid: number): string {
  return /(?:berth-shim \w+\/|-id )(\S+)/.exec(commandOf(pid))?.[1] ?? '';
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function measured(pid: number): { rss: number; descriptors: number } {
  return { rss: memoryOf(pid, 'Rss'), descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

/** Kilobytes of 1024. */
function memoryOf(pid: number, field: 'Rss' | 'Pss'): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]);
}

// A daemon of a test's own: throw-away roots, its own socket and, unless a test wants the machine's, its own network namespace.
// Disposing it removes its containers, stops it, and fails when anything was left behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LOOPBACK_INDEX, setLinkUp } from '@berth/sys/netlink/link';
import { NETLINK_ROUTE, NetlinkSocket } from '@berth/sys/netlink/socket';
import { createNetworkNamespace, inNetworkNamespace } from '@berth/sys/network-namespace';
import { busyboxRootfs } from './busybox.ts';
import { dockerClient, type Result, ROOT, type RunOptions, run } from './programs.ts';
import type { Supervisor } from './supervised.ts';

export interface BerthdOptions {
  /** More flags for berthd. */
  flags?: readonly string[];
  /** The machine's own network instead of one that belongs to the test. */
  hostNetwork?: boolean;
  /** Use these roots (a daemon that starts again) instead of new ones. */
  directory?: string;
  /** Beside the test's own environment. */
  environment?: NodeJS.ProcessEnv;
  /** Who sees every step of the daemon and of what it starts. */
  supervisor?: Supervisor;
}

export class Berthd implements AsyncDisposable {
  readonly directory: string;
  readonly socket: string;
  /** The network namespace that the daemon lives in; undefined on the machine's own network. */
  readonly namespace: number | undefined;
  #process: ChildProcess | undefined;
  readonly #options: BerthdOptions;

  private constructor(directory: string, namespace: number | undefined, options: BerthdOptions) {
    this.directory = directory;
    this.socket = join(directory, 'berth.sock');
    this.namespace = namespace;
    this.#options = options;
  }

  static async start(options: BerthdOptions = {}): Promise<Berthd> {
    const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'berth-test-'));
    const daemon = new Berthd(directory, options.hostNetwork ? undefined : isolatedNetwork(), options);
    await daemon.launch();
    return daemon;
  }

  get pid(): number {
    return this.#process?.pid ?? -1;
  }

  get dataRoot(): string {
    return join(this.directory, 'data');
  }

  /** In memory, as /run is on most machines. */
  get execRoot(): string {
    return join('/dev/shm', basename(this.directory));
  }

  /** What the daemon and its children have logged. */
  get log(): string {
    return readFileSync(join(this.directory, 'berthd.log'), 'utf8');
  }

  get environment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      DOCKER_HOST: `unix://${this.socket}`,
      DOCKER_CONFIG: join(this.directory, 'docker-config'),
      DOCKER_BUILDKIT: '0',
    };
  }

  /** Starts the daemon on its roots; again after kill() or stop(). */
  async launch(): Promise<void> {
    const log = openSync(join(this.directory, 'berthd.log'), 'a');
    const before = existsSync(join(this.directory, 'berthd.log')) ? this.log.length : 0;
    const args = [
      '-H',
      `unix://${this.socket}`,
      '--data-root',
      this.dataRoot,
      '--exec-root',
      this.execRoot,
      '--pidfile',
      join(this.directory, 'berthd.pid'),
      // All suites on another storage driver: BERTH_TEST_STORAGE=native npm test
      ...(process.env.BERTH_TEST_STORAGE ? ['--storage-driver', process.env.BERTH_TEST_STORAGE] : []),
      ...(this.#options.flags ?? []),
    ];
    const env = { ...process.env, ...this.#options.environment };
    const program = join(ROOT, 'bin', 'berthd');
    const { supervisor } = this.#options;
    const [command, words] = supervisor?.command([program, ...args]) ?? [program, args];
    const start = () => spawn(command, words, { env, stdio: ['ignore', log, log] });
    const child = this.namespace === undefined ? start() : inNetworkNamespace(this.namespace, start);
    supervisor?.accept();
    closeSync(log);
    this.#process = child;
    for (let waited = 0; waited < 20_000; waited += 10) {
      if (child.exitCode !== null) throw new Error(`berthd ended with ${child.exitCode}:\n${this.log.slice(before)}`);
      if (this.log.slice(before).includes('API listen on')) return;
      await sleep(10);
    }
    throw new Error(`berthd does not serve after 20 s:\n${this.log.slice(before)}`);
  }

  /** SIGKILL to the daemon alone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Runs the docker client against this daemon. */
  docker(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return run(dockerClient(), args, { ...options, env: { ...this.environment, ...options.env } });
  }

  /** Runs Berth's own client against this daemon. */
  berth(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return run(join(ROOT, 'bin', 'berth'), args, { ...options, env: { ...this.environment, ...options.env } });
  }

  /** Runs a program in the daemon's network: where its published ports are reachable. */
  inNetwork<T>(body: () => T): T {
    return this.namespace === undefined ? body() : inNetworkNamespace(this.namespace, body);
  }

  /** Imports a busybox image under this name. */
  async importBusybox(name = 'busybox'): Promise<void> {
    const result = await this.docker(['import', '-c', 'CMD ["sh"]', '-c', 'ENV PATH=/bin', '-', name], { input: busyboxRootfs() });
    if (result.code !== 0) throw new Error(`docker import failed: ${result.stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#process?.exitCode === null) {
        const ids = (await this.docker(['ps', '-aq'])).stdout.split('\n').filter(Boolean);
        if (ids.length > 0) await this.docker(['rm', '-f', '-v', ...ids]);
        await this.stop();
      }
      await assertNothingLeft(this.directory);
    } finally {
      if (this.namespace !== undefined) closeSync(this.namespace);
      for (const root of [this.directory, this.execRoot]) rmSync(root, { recursive: true, force: true });
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill(signal);
    await ended;
  }
}

/** A network namespace with nothing but a loopback that is up. */
export function isolatedNetwork(): number {
  const namespace = createNetworkNamespace();
  using route = inNetworkNamespace(namespace, () => new NetlinkSocket(NETLINK_ROUTE));
  route.transact([setLinkUp(LOOPBACK_INDEX)]);
  return namespace;
}

/** Processes and mounts that still speak of the directory after the daemon has stopped. */
async function assertNothingLeft(directory: string): Promise<void> {
  let left: string[] = [];
  for (let attempt = 0; attempt < 100; attempt++) {
    left = [...processesOf(directory), ...mountsOf(directory)];
    if (left.length === 0) return;
    await sleep(20);
  }
  for (const line of processesOf(directory)) process.kill(Number(line.split(' ')[1]), 'SIGKILL');
  throw new Error(`left behind by the daemon of ${directory}:\n${left.join('\n')}`);
}

export function mountsOf(directory: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(directory))
    .map((line) => `mount ${line}`);
}

/**
 * Processes that were started for the directory, that hold a file of it or of its namesake in memory open, as a shim holds its
 * container's log, or that have their root in it, as a container has.
 */
export function processesOf(directory: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        const known = command.includes(directory) || holdsFileOf(pid, directory) || hasRootIn(pid, directory);
        return known ? [`process ${pid} ${command}`] : [];
      } catch {
        return [];
      }
    });
}

function holdsFileOf(pid: string, directory: string): boolean {
  const inMemory = join('/dev/shm', basename(directory));
  return readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      const path = readlinkSync(`/proc/${pid}/fd/${fd}`);
      return path.startsWith(`${directory}/`) || path.startsWith(`${inMemory}/`);
    } catch {
      return false;
    }
  });
}

/** By the layers of its overlay, or the directory itself. */
function hasRootIn(pid: string, directory: string): boolean {
  const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n');
  return mounts.some((line) => line.split(' ')[4] === '/' && line.includes(`${directory}/`));
}

/** The zygote of the daemon's lifecycle service: the child of the process that serves from the directory. */
export function zygotesOf(directory: string): number[] {
  const services = processesOf(directory)
    .filter((line) => line.includes('berth-lifecycle'))
    .map((line) => line.split(' ')[1]);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('zygote') &&
          services.includes(/PPid:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

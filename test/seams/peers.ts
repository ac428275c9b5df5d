// The programs on both sides of a seam: Berth's own and the originals, each with throw-away roots and in namespaces of its own, so
// that what one mounts or configures ends with it. Disposing one fails when it left a process behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inNetworkNamespace } from '@berth/sys/network-namespace';
import type { WindowSize } from '@berth/sys/pty';
import { isolatedNetwork, processesOf } from '../harness/berthd.ts';
import { DEBIAN, dockerClient, program, type Result, ROOT, type RunOptions, run } from '../harness/programs.ts';
import { Terminal } from '../harness/terminal.ts';

/** Milliseconds for a peer to serve, or to end. */
const PATIENCE = 30_000;

/** Those of the programs that are not installed. */
export function missing(names: readonly string[]): string[] {
  return names.filter((name) => pathOf(name) === undefined);
}

/** A reason to skip, or false. */
export function unless(...names: string[]): string | false {
  const absent = missing(names);
  return absent.length > 0 && `not installed: ${absent.join(', ')} (apt-get install containerd docker.io runc crun podman)`;
}

export function pathOf(name: string): string | undefined {
  const found = program(name);
  if (found.startsWith('/')) return found;
  return searchPath()
    .split(delimiter)
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path));
}

/** Berth's programs first: containerd looks for shims in PATH. */
function searchPath(): string {
  return [join(ROOT, 'bin'), process.env.PATH, '/usr/sbin', '/sbin'].join(delimiter);
}

const environment = () => ({ ...process.env, PATH: searchPath() });

export type LifecycleName = 'berth-lifecycle' | 'containerd';

export interface LifecyclePeerOptions {
  /** On a hybrid host, without the view of cgroup v2 that keeps crun from starting. */
  pureV1?: boolean;
  logLevel?: 'debug' | 'info';
  /** A directory whose containerd and ctr are taken: another release. */
  release?: string;
}

/** Further releases of containerd and ctr, as setup unpacks them beside the machine's own. */
export const CONTAINERD_1_7 = join(DEBIAN, 'containerd-1.7/usr/bin');
export const CONTAINERD_2 = join(DEBIAN, 'containerd-2/usr/bin');

/** A reason to skip, or false. */
export function withoutRelease(release: string): string | false {
  return existsSync(join(release, 'containerd'))
    ? false
    : `setup found no containerd for ${dirname(dirname(release))} (see scripts/setup.mjs)`;
}

/** A service that speaks containerd's gRPC API: Berth's, or containerd itself. */
export class LifecyclePeer implements AsyncDisposable {
  readonly name: LifecycleName;
  readonly directory: string;
  readonly address: string;
  /** In memory, as /run is on most machines. */
  readonly state: string;
  readonly #command: readonly string[];
  readonly #ctr: string;
  readonly #environment: NodeJS.ProcessEnv;
  #process!: ChildProcess;

  private constructor(
    name: LifecycleName,
    flags: readonly string[],
    { pureV1 = false, logLevel = 'debug', release }: LifecyclePeerOptions,
  ) {
    this.name = name;
    this.#ctr = release === undefined ? program('ctr') : join(release, 'ctr');
    this.#environment = { ...process.env, PATH: [release, searchPath()].filter(Boolean).join(delimiter) };
    this.directory = mkdtempSync('/tmp/berth-seam-');
    this.address = join(this.directory, 'l.sock');
    this.state = join('/dev/shm', basename(this.directory));
    const binary = release === undefined ? pathOf('containerd') : join(release, 'containerd');
    const command = name === 'containerd' ? containerd(this, binary as string, logLevel) : berthLifecycle(this, logLevel);
    const hide = pureV1 ? ['sh', '-c', 'umount /sys/fs/cgroup/unified; exec "$@"', 'sh'] : [];
    this.#command = ['--mount', '--propagation', 'private', ...hide, ...command, ...flags];
  }

  static async start(name: LifecycleName, flags: readonly string[] = [], options: LifecyclePeerOptions = {}): Promise<LifecyclePeer> {
    const peer = new LifecyclePeer(name, flags, options);
    await peer.#launch();
    return peer;
  }

  /** SIGKILL, and a new one on the same roots. */
  async dieAndReturn(): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
    await this.#launch();
  }

  async #launch(): Promise<void> {
    const log = openSync(join(this.directory, 'log'), 'a');
    // `unshare` becomes the program: the pid stays.
    const child = spawn('unshare', this.#command, { stdio: ['ignore', log, log], env: this.#environment });
    closeSync(log);
    this.#process = child;
    const serves = async () => (await this.ctr(['version'])).code === 0;
    await untilServing(child, serves, this.name, () => this.log);
  }

  /** Whoever is to mount for this service's containers has to be in its mount namespace. */
  get pid(): number {
    return this.#process.pid as number;
  }

  get log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  /** Debian's ctr against this service. */
  ctr(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return run(this.#ctr, ['--address', this.address, ...args], { timeout: 30_000, ...options, env: this.#environment });
  }

  /** The same with a terminal. */
  terminal(args: readonly string[], size?: WindowSize): Terminal {
    return new Terminal(this.#ctr, ['--address', this.address, ...args], this.#environment, size);
  }

  /** The same for as long as its holder wants. */
  background(args: readonly string[]): Background {
    return new Background(
      spawn(this.#ctr, ['--address', this.address, ...args], { stdio: ['ignore', 'pipe', 'inherit'], env: this.#environment }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#process);
    try {
      await assertNoProcess(this.directory, this.state);
    } finally {
      for (const directory of [this.directory, this.state]) rmSync(directory, { recursive: true, force: true });
    }
  }
}

/** A program that goes on by itself. */
export class Background implements Disposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  printed = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, 'close');
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.printed += text;
    });
  }

  /** All that it printed. */
  async end(): Promise<string> {
    this.#child.kill('SIGTERM');
    await this.#ended;
    return this.printed;
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGTERM');
  }
}

type Places = Pick<LifecyclePeer, 'directory' | 'address' | 'state'>;

function berthLifecycle({ directory, address, state }: Places, logLevel: string): string[] {
  const places = ['--root', join(directory, 'root'), '--state', state, '--address', address];
  return [join(ROOT, 'bin/berth-lifecycle'), ...places, '--log-level', logLevel];
}

/** Without the plugins that look for kernel modules, and without Kubernetes. */
function containerd({ directory, address, state }: Places, binary: string, logLevel: string): string[] {
  const plugins = [
    'grpc.v1.cri',
    'snapshotter.v1.btrfs',
    'snapshotter.v1.zfs',
    'snapshotter.v1.devmapper',
    'snapshotter.v1.aufs',
    'internal.v1.opt',
  ];
  const config = [
    'version = 2',
    `root = "${join(directory, 'root')}"`,
    `state = "${state}"`,
    `disabled_plugins = [${plugins.map((name) => `"io.containerd.${name}"`).join(', ')}]`,
    `[grpc]\n  address = "${address}"`,
    `[ttrpc]\n  address = "${address}.ttrpc"`,
    `[debug]\n  level = "${logLevel}"`,
  ];
  writeFileSync(join(directory, 'config.toml'), `${config.join('\n')}\n`);
  return [binary, '--config', join(directory, 'config.toml')];
}

/** dockerd: on a lifecycle service that is given, or with a containerd of its own. */
export class Dockerd implements AsyncDisposable {
  readonly directory: string;
  readonly #process: ChildProcess;
  readonly #network: number;

  private constructor(directory: string, process: ChildProcess, network: number) {
    this.directory = directory;
    this.#process = process;
    this.#network = network;
  }

  static async start(lifecycle?: LifecyclePeer, flags: readonly string[] = []): Promise<Dockerd> {
    const directory = mkdtempSync('/tmp/berth-seam-');
    mkdirSync(join(directory, 'config'));
    const at = (name: string) => join(directory, name);
    const roots = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid')];
    const args = ['-H', `unix://${at('d.sock')}`, ...roots, ...(lifecycle ? ['--containerd', lifecycle.address] : []), ...flags];
    // It mounts root filesystems itself: the service below must see them.
    const within = lifecycle ? ['nsenter', '-m', '-t', String(lifecycle.pid)] : ['unshare', '--mount', '--propagation', 'private'];
    const [command = '', ...rest] = [...within, pathOf('dockerd') as string, ...args];
    const network = isolatedNetwork();
    const log = openSync(at('log'), 'a');
    const child = inNetworkNamespace(network, () => spawn(command, rest, { stdio: ['ignore', log, log], env: environment() }));
    closeSync(log);
    const peer = new Dockerd(directory, child, network);
    const ready = async () => (await peer.client('docker', ['version'])).code === 0;
    await untilServing(child, ready, 'dockerd', () => readFileSync(at('log'), 'utf8'));
    return peer;
  }

  get environment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      DOCKER_HOST: `unix://${join(this.directory, 'd.sock')}`,
      DOCKER_CONFIG: join(this.directory, 'config'),
      DOCKER_BUILDKIT: '0',
    };
  }

  client(name: ClientName, args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return run(clientPath(name), args, { timeout: 30_000, ...options, env: this.environment });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#process);
    try {
      await assertNoProcess(this.directory);
    } finally {
      closeSync(this.#network);
      rmSync(this.directory, { recursive: true, force: true });
    }
  }
}

export type ClientName = 'berth' | 'docker';

export function clientPath(name: ClientName): string {
  return name === 'docker' ? dockerClient() : join(ROOT, 'bin/berth');
}

async function untilServing(child: ChildProcess, serves: () => Promise<boolean>, name: string, log: () => string): Promise<void> {
  for (const deadline = Date.now() + PATIENCE; Date.now() < deadline && child.exitCode === null; await sleep(50))
    if (await serves()) return;
  if (child.exitCode === null) child.kill('SIGKILL');
  throw new Error(`${name} does not serve:\n${log().split('\n').slice(-10).join('\n')}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
  await ended;
  clearTimeout(late);
}

async function assertNoProcess(...directories: string[]): Promise<void> {
  const find = () => directories.flatMap(processesOf);
  for (const deadline = Date.now() + 5000; Date.now() < deadline; await sleep(50)) if (find().length === 0) return;
  const left = find();
  for (const line of left) process.kill(Number(line.split(' ')[1]), 'SIGKILL');
  throw new Error(`left behind:\n${left.join('\n')}`);
}

// Debian's dockerd beside Berth: its own roots and socket, in network and mount namespaces of its own.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inNetworkNamespace } from '@berth/sys/network-namespace';
import { isolatedNetwork } from '../harness/berthd.ts';
import { busyboxRootfs } from '../harness/busybox.ts';
import { dockerClient, program } from '../harness/programs.ts';

export interface DockerdOptions {
  /** More of them; with them it lives in the machine's own network. */
  flags?: readonly string[];
  dataRoot?: string;
}

/** A dockerd with the image busybox, or why there is none. */
export async function startDockerd(options: DockerdOptions = {}): Promise<Dockerd | string> {
  const version = spawnSync(program('dockerd'), ['--version'], { encoding: 'utf8' });
  if (version.status !== 0)
    return `dockerd cannot run here: ${(version.error?.message ?? version.stderr).trim().split('\n')[0]} (apt-get install docker.io)`;
  const dockerd = new Dockerd(version.stdout.trim(), options);
  try {
    await dockerd.launch();
    dockerd.importBusybox();
    return dockerd;
  } catch (error) {
    await dockerd[Symbol.asyncDispose]();
    return `dockerd did not start here: ${(error as Error).message}`;
  }
}

export class Dockerd implements AsyncDisposable {
  readonly version: string;
  readonly directory = mkdtempSync(join(tmpdir(), 'berth-bench-dockerd-'));
  readonly #options: DockerdOptions;
  readonly #namespace: number | undefined;
  #process: ChildProcess | undefined;

  constructor(version: string, options: DockerdOptions) {
    this.version = version;
    this.#options = options;
    this.#namespace = options.flags ? undefined : isolatedNetwork();
    mkdirSync(join(this.directory, 'config'));
  }

  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, DOCKER_HOST: `unix://${this.directory}/d.sock`, DOCKER_CONFIG: join(this.directory, 'config') };
  }

  /** In memory, as Berth's is here and as /run is on most machines. */
  get #execRoot(): string {
    return join('/dev/shm', basename(this.directory));
  }

  get #log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  /** Starts it, again after stop(); resolves when it says that the API listens. */
  async launch(): Promise<void> {
    const log = openSync(join(this.directory, 'log'), 'a');
    const before = this.#log.length;
    const { dataRoot = join(this.directory, 'data'), flags = [] } = this.#options;
    const roots = ['--data-root', dataRoot, '--exec-root', this.#execRoot, '-p', join(this.directory, 'pid')];
    const args = [program('dockerd'), '-H', `unix://${this.directory}/d.sock`, ...roots, ...flags];
    const path = [...['dockerd', 'containerd', 'runc'].map((name) => dirname(program(name))), process.env.PATH].join(':');
    const env = { ...process.env, PATH: path };
    // A private mount namespace, so that what dockerd mounts ends with it.
    const start = () => spawn('unshare', ['--mount', '--propagation', 'private', ...args], { stdio: ['ignore', log, log], env });
    const child = this.#namespace === undefined ? start() : inNetworkNamespace(this.#namespace, start);
    closeSync(log);
    this.#process = child;
    for (let waited = 0; waited < 30_000; waited += 10) {
      if (this.#log.includes('API listen on', before)) return;
      if (child.exitCode !== null) break;
      await sleep(10);
    }
    throw new Error(this.#log.split('\n').slice(-4).join(' '));
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const limit = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await ended;
    clearTimeout(limit);
  }

  importBusybox(): void {
    const args = ['import', '-c', 'CMD ["sh"]', '-c', 'ENV PATH=/bin', '-', 'busybox'];
    const { status, stderr } = spawnSync(dockerClient(), args, { env: this.environment, input: busyboxRootfs(), timeout: 30_000 });
    if (status !== 0) throw new Error(`no image could be imported: ${stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    if (this.#namespace !== undefined) closeSync(this.#namespace);
    for (const root of [this.directory, this.#execRoot]) rmSync(root, { recursive: true, force: true });
  }
}

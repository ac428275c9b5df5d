// The zygote as berth-lifecycle sees it: starts it, asks it for shims, replaces it when it dies, and starts shims as programs
// of their own where forking does not work. Runs in an ordinary Node process.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { EngineError } from '@berth/errdefs/engine-error';
import { DeleteResponse } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import { TtrpcClient } from '@berth/rpc/ttrpc/client';
import { receiveWithFds, socketPair } from '@berth/sys/fd-passing';
import { sealedProgram } from '@berth/sys/sealed-program';
import { SHIM_NODE_FLAGS, shimProgram, ZYGOTE_NODE_FLAGS, zygoteProgram } from './programs.ts';
import type { ShimParameters, ZygoteHello, ZygoteReply, ZygoteRequest } from './protocol.ts';
import { type StartedShim, UnassignedShim } from './unassigned-shim.ts';

export interface ZygoteOptions {
  /** The shims' sockets are made in `<stateDir>/s`; keep it short (a socket's path has at most 107 bytes). */
  stateDir: string;
  /** Trace files of the shims; none records no spans. */
  traceDir?: string;
  /** More flags for Node, after the ones that forking needs. */
  nodeFlags?: readonly string[];
  /** The zygote's script, when it is not the one that goes with this module. */
  program?: string;
  /** Starts every shim as a program of its own; for tests and for platforms known not to fork. */
  plain?: boolean;
  /** Takes one line for people: a zygote that died, a fallback that was taken. */
  log?: (message: string) => void;
}

export type StartShim = Omit<ShimParameters, 'socketDir' | 'traceDir'>;

/** Processes that are tried for one shim. */
const ATTEMPTS = 4;
/** Milliseconds without a request until a spare is forked: the container that was just asked for has the processors first. */
const QUIET = 60;
/** Milliseconds that a zygote may take to start, and to answer one request. */
const START_TIMEOUT = 20_000;
const REQUEST_TIMEOUT = 20_000;

export class Zygote implements AsyncDisposable {
  readonly #options: ZygoteOptions;
  #running: Promise<RunningZygote> | undefined;
  #plainReason: string | undefined;
  #closed = false;

  private constructor(options: ZygoteOptions) {
    this.#options = options;
    if (options.plain) this.#plainReason = 'as configured';
  }

  /** Starts the zygote and waits for its self-test. Never fails because of it: see `forking`. */
  static async spawn(options: ZygoteOptions): Promise<Zygote> {
    const zygote = new Zygote(options);
    if (!options.plain) await zygote.#ready();
    return zygote;
  }

  /** Whether shims are forked; otherwise each is started as a program, which takes some 50 ms more. */
  get forking(): boolean {
    return this.#plainReason === undefined;
  }

  /** The zygote's process id, undefined while none runs. */
  async pid(): Promise<number | undefined> {
    return (await this.#running)?.pid;
  }

  /**
   * Starts a shim and returns once it serves and `use` has made its first calls; `use` runs again for another process where one died before it
   * took its orders. The shim outlives the zygote and this process.
   */
  async startShim<T>(shim: StartShim, use: (client: TtrpcClient) => Promise<T>): Promise<StartedShim<T>> {
    if (this.#closed) throw new EngineError('Unavailable', 'the zygote is closed', { layer: 'lifecycle' });
    const parameters: ShimParameters = { ...shim, socketDir: `${this.#options.stateDir}/s`, traceDir: this.#options.traceDir };
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const running = await this.#ready();
      if (!running) return startPlainShim(parameters, use);
      const asked = this.#running;
      const unassigned = await running.unassigned().catch((error) => {
        if (!(error instanceof ZygoteGone)) throw error;
        this.#log(`${error.message}; starting another`);
        // Another request may have started the next one meanwhile.
        if (this.#running === asked) this.#running = undefined;
      });
      const started = await unassigned?.assign(parameters, use);
      if (started) return started;
    }
    throw new EngineError('Internal', `starting a shim for ${shim.id}: it ended before it answered (${ATTEMPTS} attempts)`, {
      layer: 'shim',
    });
  }

  /** Ends the zygote; shims live on. */
  async close(): Promise<void> {
    this.#closed = true;
    const running = await this.#running;
    this.#running = undefined;
    await running?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #ready(): Promise<RunningZygote | undefined> {
    if (this.#plainReason !== undefined) return undefined;
    this.#running ??= RunningZygote.start(this.#options);
    try {
      return await this.#running;
    } catch (error) {
      this.#running = undefined;
      this.#plainReason = error instanceof Error ? error.message : String(error);
      this.#log(`shims are started as programs of their own, for forking does not work here: ${this.#plainReason}`);
      return undefined;
    }
  }

  #log(message: string): void {
    this.#options.log?.(message);
  }
}

/** The zygote died with the request unanswered: another one may serve it. */
class ZygoteGone extends Error {}

/** One zygote process. Replies come in the order of the requests. */
class RunningZygote {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #lines: AsyncIterator<string>;
  /** Where the connections to its forks come from. */
  readonly #handOver: number;
  #gone = false;
  #last: Promise<unknown> = Promise.resolve();
  /** A shim that was forked ahead. One that dies unused is not replaced before somebody needs a shim: its killer would be back. */
  #spare: Promise<UnassignedShim | undefined> | undefined;
  #quiet: NodeJS.Timeout | undefined;

  private constructor(child: ChildProcess, handOver: number) {
    this.#child = child;
    this.#handOver = handOver;
    this.#socket = child.stdio[3] as Socket;
    this.#socket.on('error', () => {});
    this.#lines = createInterface({ input: this.#socket })[Symbol.asyncIterator]();
    child.once('exit', () => this.#end());
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  static async start(options: ZygoteOptions): Promise<RunningZygote> {
    using node = await sealedProgram(process.execPath, 'berth-zygote');
    const [ours, theirs] = socketPair('packet');
    const child = spawn(node.path, [...ZYGOTE_NODE_FLAGS, ...(options.nodeFlags ?? []), options.program ?? zygoteProgram()], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe', theirs],
      argv0: 'berth-zygote',
      cwd: '/',
      env: shimEnvironment(),
    });
    closeSync(theirs);
    const failed = once(child, 'error').then(([error]) => Promise.reject(error));
    try {
      await Promise.race([once(child, 'spawn'), failed]);
    } catch (error) {
      closeSync(ours);
      throw error;
    }
    failed.catch(() => {});
    const running = new RunningZygote(child, ours);
    try {
      const hello = JSON.parse(await running.#line(START_TIMEOUT)) as ZygoteHello;
      if (!hello.ready) throw new Error(hello.reason ?? 'the self-test failed');
      if (hello.reason) options.log?.(`the zygote could not warm up, first containers start slower: ${hello.reason}`);
    } catch (error) {
      await running.close();
      throw error;
    }
    child.unref();
    (running.#socket as Socket).unref();
    running.#forkAhead();
    return running;
  }

  /** The spare, or a fork of its own for a request that comes sooner. */
  async unassigned(): Promise<UnassignedShim> {
    const spare = this.#spare;
    this.#spare = undefined;
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => this.#forkAhead(), QUIET).unref();
    const ready = await spare;
    return ready?.alive ? ready : this.#fork(false);
  }

  #forkAhead(): void {
    this.#spare ??= this.#fork(true).catch(() => undefined);
  }

  async #fork(ahead: boolean): Promise<UnassignedShim> {
    const reply = await this.#ask({ op: 'fork', ahead });
    if (!reply.ok) throw new EngineError('Internal', `starting a shim: ${reply.error}`, { layer: 'shim' });
    const fd = this.#gone ? undefined : receiveWithFds(this.#handOver, 1).fds[0];
    if (fd === undefined) throw new ZygoteGone('the zygote ended in the middle of an answer');
    return new UnassignedShim(reply.pid, fd);
  }

  /** The process is gone. */
  #end(): void {
    this.#gone = true;
    clearTimeout(this.#quiet);
    closeSync(this.#handOver);
    void this.#spare?.then((spare) => spare?.discard());
  }

  async close(): Promise<void> {
    const gone = this.#child.exitCode !== null || this.#child.signalCode !== null ? Promise.resolve() : once(this.#child, 'exit');
    this.#socket.destroy();
    this.#child.ref();
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), 1000);
    await gone;
    clearTimeout(kill);
  }

  #ask(request: ZygoteRequest): Promise<ZygoteReply> {
    const answer = this.#last.then(async () => {
      this.#socket.ref();
      this.#socket.write(`${JSON.stringify(request)}\n`);
      const line = await this.#line(REQUEST_TIMEOUT);
      this.#socket.unref();
      return JSON.parse(line) as ZygoteReply;
    });
    this.#last = answer.catch(() => {});
    return answer;
  }

  async #line(timeout: number): Promise<string> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#child.kill('SIGKILL');
    }, timeout);
    try {
      const next = await this.#lines.next();
      if (!next.done) return next.value;
    } catch {
      // A connection that breaks says no more than one that ends.
    } finally {
      clearTimeout(timer);
    }
    throw new ZygoteGone(late ? `the zygote did not answer within ${timeout} ms` : 'the zygote ended without an answer');
  }
}

/** Starts the shim as containerd would: `containerd-shim-berth-v1 … start`, which prints its bootstrap as JSON. */
async function startPlainShim<T>(shim: ShimParameters, use: (client: TtrpcClient) => Promise<T>): Promise<StartedShim<T>> {
  const output = await runShimProgram(shim, 'start');
  const printed = JSON.parse(output.toString()) as { address: string; pid: number };
  const address = printed.address.replace(/^unix:\/\//, '');
  const client = await TtrpcClient.connect(address);
  return { bootstrap: { pid: printed.pid, address, protocol: 'ttrpc', version: 3 }, client, first: await use(client) };
}

/**
 * Cleans up after a shim that died without deleting its container: kills what is left of it and gives back what it held.
 * Safe when there is nothing left. Returns what is known of the container's end.
 */
export async function deleteDeadShim(shim: Omit<ShimParameters, 'ttrpcAddress'>): Promise<DeleteResponse> {
  return DeleteResponse.decode(await runShimProgram({ ...shim, ttrpcAddress: '' }, 'delete'));
}

/** One run of `containerd-shim-berth-v1`; resolves to what it printed. */
async function runShimProgram(shim: ShimParameters, action: 'start' | 'delete'): Promise<Buffer> {
  const flags = [
    '-namespace',
    shim.namespace,
    '-id',
    shim.id,
    '-bundle',
    shim.bundle,
    '-socket-dir',
    shim.socketDir,
    '-runtime-root',
    shim.runtimeRoot,
  ];
  if (shim.traceDir) flags.push('-trace-dir', shim.traceDir);
  if (shim.debug) flags.push('-debug');
  const child = spawn(process.execPath, [...SHIM_NODE_FLAGS, shimProgram(), ...flags, action], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...shimEnvironment(), TTRPC_ADDRESS: shim.ttrpcAddress, MAX_SHIM_VERSION: '3' },
  });
  const output: Buffer[] = [];
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const [code] = await once(child, 'close');
  if (code === 0) return Buffer.concat(output);
  throw new EngineError('Internal', `shim ${action} of ${shim.id}: ${errors.trim() || `exit code ${code}`}`, { layer: 'shim' });
}

/** Nothing of this process' environment is a shim's business; NODE_OPTIONS could even break the fork. libuv's rings cost memory. */
function shimEnvironment(): Record<string, string> {
  return { PATH: process.env.PATH ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', UV_USE_IO_URING: '0' };
}

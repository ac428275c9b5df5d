// Shims of other runtimes, by containerd's contract (core/runtime/v2 README): `<shim> -namespace N -id ID -address A start` in the
// bundle leaves a serving process behind and prints its address; `… delete` cleans up after one that is gone.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, existsSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { delimiter, join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { DeleteResponse } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import { RuntimeInfo } from '@berth/rpc/gen/containerd/types/introspection';
import { Any } from '@berth/rpc/gen/google/protobuf/any';
import { millisecondsOf } from '@berth/rpc/timestamp';
import { mkfifo } from '@berth/sys/path';
import { type Bundle, parseBootstrap } from './bundle.ts';
import { connectShim, type DeadTask, KILLED, type Shims, type StartShimOptions, type UseShim } from './shims.ts';

/** The newest task API version that this service speaks. */
const MAX_SHIM_VERSION = '3';
const DELETE_TIMEOUT = 30_000;
const INFO_TIMEOUT = 10_000;

export interface ProgramShimsOptions {
  /** Name in PATH, or absolute path. */
  program: string;
  grpcAddress: string;
  ttrpcAddress: string;
  debug: boolean;
  /** Takes what a shim writes to its log. */
  log(bundle: Bundle, text: string): void;
}

export class ProgramShims implements Shims {
  readonly #options: ProgramShimsOptions;

  constructor(options: ProgramShimsOptions) {
    this.#options = options;
  }

  async start<T>({ bundle, options, signal }: StartShimOptions, use: UseShim<T>): Promise<T> {
    const program = this.#resolve();
    this.adopt(bundle);
    const input = options ? Any.encode(options) : new Uint8Array(0);
    const printed = await run(program, [...this.#flags(bundle), 'start'], {
      cwd: bundle.path,
      env: this.#environment(bundle),
      input,
      signal,
    });
    return use(await connectShim(parseBootstrap(printed.toString())));
  }

  cleanUp(bundle: Bundle): Promise<DeadTask> {
    return runDelete(this.#resolve(), this.#flags(bundle), bundle, this.#environment(bundle));
  }

  async info(options: Any | undefined): Promise<RuntimeInfo> {
    const input = options ? Any.encode(options) : new Uint8Array(0);
    const signal = AbortSignal.timeout(INFO_TIMEOUT);
    return RuntimeInfo.decode(await run(this.#resolve(), ['-info'], { cwd: '/', env: {}, input, signal }));
  }

  #resolve(): string {
    const { program } = this.#options;
    const candidates = program.startsWith('/')
      ? [program]
      : (process.env.PATH ?? '').split(delimiter).map((directory) => join(directory, program));
    const found = candidates.find((path) => existsSync(path));
    if (found === undefined) {
      throw new EngineError(
        'FailedPrecondition',
        `runtime shim "${program}" is not installed: no such program in PATH; install it or use another runtime`,
        { layer: 'lifecycle' },
      );
    }
    return found;
  }

  #flags({ namespace, id }: Bundle): string[] {
    const flags = ['-namespace', namespace, '-id', id, '-address', this.#options.grpcAddress];
    return this.#options.debug ? [...flags, '-debug'] : flags;
  }

  #environment({ namespace }: Bundle): Record<string, string> {
    const { grpcAddress, ttrpcAddress } = this.#options;
    return { GRPC_ADDRESS: grpcAddress, TTRPC_ADDRESS: ttrpcAddress, NAMESPACE: namespace, MAX_SHIM_VERSION, GOMAXPROCS: '2' };
  }

  /** The shim logs into a FIFO of the bundle; reading it ends by itself with the shim. */
  adopt(bundle: Bundle): void {
    const path = join(bundle.path, 'log');
    if (!existsSync(path)) mkfifo(path, 0o600);
    const fifo = new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false });
    fifo.setEncoding('utf8').on('data', (text: unknown) => this.#options.log(bundle, String(text)));
    fifo.on('error', () => {});
    fifo.unref();
  }
}

/** `<program> … -bundle B delete`, run outside of the bundle. */
async function runDelete(program: string, flags: readonly string[], bundle: Bundle, env: Record<string, string>): Promise<DeadTask> {
  const signal = AbortSignal.timeout(DELETE_TIMEOUT);
  const printed = await run(program, [...flags, '-bundle', bundle.path, 'delete'], { cwd: bundle.path, env, signal });
  if (printed.length === 0) return { pid: 0, exitStatus: KILLED, exitedAt: Date.now() };
  const { pid, exitStatus, exitedAt } = DeleteResponse.decode(printed);
  return { pid, exitStatus: exitStatus || KILLED, exitedAt: exitedAt ? millisecondsOf(exitedAt) : Date.now() };
}

interface RunOptions {
  cwd: string;
  env: Record<string, string>;
  input?: Uint8Array;
  signal?: AbortSignal;
}

async function run(program: string, args: readonly string[], { cwd, env, input, signal }: RunOptions): Promise<Buffer> {
  const child = spawn(program, args, { cwd, env: { PATH: process.env.PATH ?? '', ...env }, stdio: ['pipe', 'pipe', 'pipe'], signal });
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (data: Buffer) => output.push(data));
  child.stderr.on('data', (data: Buffer) => errors.push(data));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  // `exit`, not `close`: what the program leaves behind may hold its output open.
  const [code, killedBy] = (await once(child, 'exit')) as [number | null, string | null];
  await new Promise((resolve) => setImmediate(resolve));
  if (code !== 0) {
    const said = Buffer.concat([...errors, ...output])
      .toString()
      .trim();
    throw new EngineError('Unknown', `failed to start shim: ${program}: ${killedBy ?? `exit status ${code}`}${said ? `: ${said}` : ''}`, {
      layer: 'shim',
    });
  }
  return Buffer.concat(output);
}

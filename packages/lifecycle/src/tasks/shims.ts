// Where shims come from: the zygote for Berth's own runtime, a shim program by containerd's contract for any other.
import { EngineError } from '@berth/errdefs/engine-error';
import type { RuntimeInfo } from '@berth/rpc/gen/containerd/types/introspection';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import { TtrpcClient } from '@berth/rpc/ttrpc/client';
import type { Init } from '@berth/rpc/wire/message';
import type { Bundle, ShimAddress } from './bundle.ts';

export interface StartShimOptions {
  bundle: Bundle;
  /** The runtime's options, as the client gave them. */
  options?: Any;
  /** The group that the shim is for, when the configuration does not name it: a sandbox's id. */
  group?: string;
  signal?: AbortSignal;
}

/** How a dead shim's container is remembered. */
export interface DeadTask {
  pid: number;
  exitStatus: number;
  /** Milliseconds since 1970. */
  exitedAt: number;
}

/** A shim, and the connection to it that is its receiver's from here on. */
export interface ConnectedShim {
  shim: ShimAddress;
  client: TtrpcClient;
  /** It writes its address down itself. */
  records?: boolean;
}

/** Called again where the first process died before it took its orders. */
export type UseShim<T> = (connected: ConnectedShim) => Promise<T>;

export interface Shims {
  /**
   * Starts a shim and makes its first use, as soon as there is a connection: the orders of Berth's own leave in the same message. Nothing is
   * left of a shim that takes no calls; of one that dies meanwhile there may be.
   */
  start<T>(options: StartShimOptions, use: UseShim<T>): Promise<T>;
  /** Takes over a living shim that an earlier process of this service started. */
  adopt(bundle: Bundle): void;
  /** Removes what a shim that is gone left: processes, cgroups, mounts. Safe to repeat. */
  cleanUp(bundle: Bundle): Promise<DeadTask>;
  /** What the runtime is and can do, with these options of it. */
  info(options: Any | undefined): Promise<Init<RuntimeInfo>>;
  /** Removes what namespaces without a task need no more, in a quiet moment. */
  tidy?(): void;
}

/** Berth's own runtime, and the default. */
export const BERTH_RUNTIME = 'io.containerd.berth.v1';

/** 128 + SIGKILL: nobody was there to see how it ended. */
export const KILLED = 137;

/** The shims of every runtime, by name: `io.containerd.<name>.<version>`, or the absolute path of a shim program. */
export class ShimsByRuntime {
  readonly #berth: Shims;
  readonly #program: (program: string) => Shims;

  constructor(berth: Shims, program: (program: string) => Shims) {
    this.#berth = berth;
    this.#program = program;
  }

  of(runtime: string): Shims {
    return runtime === BERTH_RUNTIME ? this.#berth : this.#program(shimProgramOf(runtime));
  }

  tidy(): void {
    this.#berth.tidy?.();
  }
}

/** `io.containerd.runc.v2` → `containerd-shim-runc-v2`. */
export function shimProgramOf(runtime: string): string {
  if (runtime.startsWith('/')) return runtime;
  const parts = runtime.split('.');
  if (parts.length < 2 || parts.some((part) => !/^[A-Za-z0-9_-]+$/.test(part))) {
    throw new EngineError(
      'InvalidArgument',
      `invalid runtime name ${runtime}, correct runtime name should be either format like \`io.containerd.runc.v2\` or a full path to the binary: invalid argument`,
      { layer: 'lifecycle' },
    );
  }
  return `containerd-shim-${parts.at(-2)}-${parts.at(-1)}`;
}

export async function connectShim(shim: ShimAddress): Promise<ConnectedShim> {
  return { shim, client: await TtrpcClient.connect(shim.address) };
}

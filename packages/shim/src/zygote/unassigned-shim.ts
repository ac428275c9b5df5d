// A shim without a container, as its superior sees it: the connection to a process that waits for orders (orders.ts).
import { Socket } from 'node:net';
import { EngineError } from '@berth/errdefs/engine-error';
import { Orders } from '@berth/rpc/gen/berth/shim/v1/orders';
import { TtrpcClient } from '@berth/rpc/ttrpc/client';
import type { ShimBootstrap, ShimParameters } from './protocol.ts';

/** Milliseconds that it has for its answer; it takes one or two. */
const PATIENCE = 5000;

/** A shim that serves, and a connection to it. */
export interface StartedShim {
  bootstrap: ShimBootstrap;
  client: TtrpcClient;
}

export class UnassignedShim {
  readonly #pid: number;
  readonly #socket: Socket;
  readonly #client: TtrpcClient;

  /** `socket`: a descriptor, or the stream around one. */
  constructor(pid: number, socket: number | Socket) {
    this.#pid = pid;
    this.#socket = typeof socket === 'number' ? new Socket({ fd: socket }) : socket;
    this.#client = new TtrpcClient(this.#socket).unref();
  }

  /** Whether it still waits. */
  get alive(): boolean {
    return this.#client.connected;
  }

  /**
   * Makes it the shim of a container; the task API is served on `client`. Undefined when it died or hangs: a fork of a zygote can fail
   * that way (sys/fork.ts), and another one may do. Fails with what the shim says.
   */
  async assign(parameters: ShimParameters): Promise<StartedShim | undefined> {
    this.#socket.ref();
    try {
      const { pid, address } = await this.#client.call(Orders.name, Orders.methods.assign, parameters, { timeout: PATIENCE });
      return { bootstrap: { pid, address, protocol: 'ttrpc', version: 3 }, client: this.#client };
    } catch (error) {
      const hangs = this.#client.connected && error instanceof EngineError && error.kind === 'DeadlineExceeded';
      if (hangs) this.#kill();
      const gone = hangs || !this.#client.connected;
      this.discard();
      if (gone) return undefined;
      throw error;
    }
  }

  /** Ends it without orders. */
  discard(): void {
    this.#client.close();
  }

  #kill(): void {
    try {
      process.kill(this.#pid, 'SIGKILL');
    } catch {
      // Gone already; the zygote's children leave no zombies.
    }
  }
}

// A shim without a container, as its superior sees it: the connection to a process that waits for orders (orders.ts).
import { Socket } from 'node:net';
import { type AssignResponse, Orders } from '@berth/rpc/gen/berth/shim/v1/orders';
import { TtrpcClient } from '@berth/rpc/ttrpc/client';
import { readBootstrap } from '../shim.ts';
import type { ShimBootstrap, ShimParameters } from './protocol.ts';

/** Milliseconds that it has to take its orders; it takes one or two. */
const PATIENCE = 5000;

/** A shim that serves, a connection to it, and what came of its first use. */
export interface StartedShim<T> {
  bootstrap: ShimBootstrap;
  client: TtrpcClient;
  first: T;
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
   * Makes it the shim of a container. What `use` calls at once leaves together with the orders, and is answered after them. Undefined when
   * it died or hung before it took them: a fork of a zygote can fail that way (sys/fork.ts), and another one may do. Fails with what the
   * shim says, or with what `use` does.
   */
  async assign<T>(parameters: ShimParameters, use: (client: TtrpcClient) => Promise<T>): Promise<StartedShim<T> | undefined> {
    const tookOrders = () => readBootstrap(parameters.bundle).pid !== undefined;
    this.#socket.ref();
    const assigned = this.#client.call(Orders.name, Orders.methods.assign, parameters);
    const first = use(this.#client);
    first.catch(() => {});
    const hangs = setTimeout(() => tookOrders() || this.#kill(), PATIENCE);
    let answer: AssignResponse;
    try {
      answer = await assigned;
    } catch (error) {
      const died = !this.#client.connected;
      this.discard();
      if (!died) throw error;
      if (!tookOrders()) return undefined;
      // It died with its orders in hand: what was asked failed.
      await first;
      throw error;
    } finally {
      clearTimeout(hangs);
    }
    // Where what was asked fails, the shim is its caller's all the same.
    return { bootstrap: { ...answer, protocol: 'ttrpc', version: 3 }, client: this.#client, first: await first };
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

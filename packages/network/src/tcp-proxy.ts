// The userland proxy of one published TCP port: it holds the host's port, so that nobody else can take it, and serves those whom
// the NAT rules do not reach: loopback, and IPv6 clients of an IPv4 container. Runs in the daemon.
import { connect, createServer, type Server, type Socket } from 'node:net';

export class TcpProxy implements Disposable {
  readonly #server: Server;
  readonly #connections = new Set<Socket>();

  /** Takes over a listening socket. */
  constructor(fd: number, target: { address: string; port: number }) {
    // Half-open, because a client may close its side and still wait for the answer (`echo | nc`).
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#serve(client, target));
    // An accept that fails (EMFILE) costs that client its connection, not the daemon its life.
    this.#server.on('error', () => {});
    this.#server.listen({ fd });
    this.#server.unref();
  }

  #serve(client: Socket, target: { address: string; port: number }): void {
    const container = connect({ host: target.address, port: target.port, allowHalfOpen: true, noDelay: true });
    for (const [socket, other] of [[client, container] as const, [container, client] as const]) {
      this.#connections.add(socket);
      socket.on('error', () => other.resetAndDestroy());
      socket.on('close', () => this.#connections.delete(socket));
      socket.pipe(other);
    }
  }

  [Symbol.dispose](): void {
    this.#server.close();
    for (const socket of this.#connections) socket.destroy();
  }
}

// The userland proxy of one published UDP port (see tcp-proxy.ts). UDP has no connections: each client gets a socket of its own
// towards the container, so that answers find their way back, until it has been silent for as long as conntrack waits.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';

/** Milliseconds; Docker's proxy waits as long. */
const IDLE = 90_000;
/** Beyond this many clients the one that was silent for longest is forgotten. */
const MAX_CLIENTS = 4096;

interface Client {
  socket: Socket;
  timer: NodeJS.Timeout;
}

export class UdpProxy implements Disposable {
  readonly #server: Socket;
  /** In order of their last datagram. */
  readonly #clients = new Map<string, Client>();
  readonly #target: { address: string; port: number };

  /** Takes over a bound socket. */
  constructor(fd: number, version: 4 | 6, target: { address: string; port: number }) {
    this.#target = target;
    this.#server = createSocket(version === 4 ? 'udp4' : 'udp6');
    this.#server.on('error', () => {});
    this.#server.on('message', (datagram, from) => this.#forward(datagram, from));
    this.#server.bind({ fd });
    this.#server.unref();
  }

  #forward(datagram: Buffer, from: RemoteInfo): void {
    const key = `${from.address} ${from.port}`;
    const client = this.#clients.get(key) ?? this.#open(key, from);
    client.timer.refresh();
    this.#clients.delete(key);
    this.#clients.set(key, client);
    client.socket.send(datagram, this.#target.port, this.#target.address);
  }

  #open(key: string, from: RemoteInfo): Client {
    const oldest = this.#clients.size >= MAX_CLIENTS ? this.#clients.keys().next().value : undefined;
    if (oldest !== undefined) this.#forget(oldest);
    const socket = createSocket(this.#target.address.includes(':') ? 'udp6' : 'udp4');
    // A container that does not listen answers with ICMP: a lost datagram, as in UDP anywhere.
    socket.on('error', () => {});
    socket.on('message', (answer) => this.#server.send(answer, from.port, from.address));
    socket.unref();
    const timer = setTimeout(() => this.#forget(key), IDLE).unref();
    return { socket, timer };
  }

  #forget(key: string): void {
    const client = this.#clients.get(key);
    if (!client) return;
    clearTimeout(client.timer);
    client.socket.close();
    this.#clients.delete(key);
  }

  [Symbol.dispose](): void {
    this.#server.close();
    for (const key of [...this.#clients.keys()]) this.#forget(key);
  }
}

// A host of the tests' own: this process moves into a fresh network namespace, so that no test touches the machine's bridges,
// rules or sysctls. Beside it an "outside" machine on a wire, and containers that are namespaces with programs in them.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { bindHostSocket } from '@berth/sys/host-socket';
import { createVeth, findLink, LOOPBACK_INDEX, setLinkUp } from '@berth/sys/netlink/link';
import { addAddress, addDefaultRoute } from '@berth/sys/netlink/route';
import { NETLINK_ROUTE, NetlinkSocket } from '@berth/sys/netlink/socket';
import { createNetworkNamespace, enterNetworkNamespace, inNetworkNamespace } from '@berth/sys/network-namespace';

export const HOST_ADDRESS = '192.0.2.1';
export const OUTSIDE_ADDRESS = '192.0.2.2';
const ANY = new Uint8Array(4);
/** Milliseconds that a program may take; one whose packets are dropped takes all of them. */
const TIMEOUT = 1500;

/** Moves the process into a namespace of its own with a loopback. Call once, first thing in a test file. */
export function becomeIsolatedHost(): void {
  const fd = createNetworkNamespace();
  enterNetworkNamespace(fd);
  closeSync(fd);
  using route = new NetlinkSocket(NETLINK_ROUTE);
  route.transact([setLinkUp(LOOPBACK_INDEX)]);
}

/** A network namespace to run servers and programs in. */
export class Machine implements Disposable {
  readonly fd = createNetworkNamespace();
  readonly #closers: (() => void)[] = [];

  /** A web server that answers with `body` and the client's address. */
  serveHttp(port: number, body: string): void {
    const server = createServer((request, response) => response.end(`${body} for ${request.socket.remoteAddress}`));
    server.listen({ fd: this.#bind('tcp', port) }).unref();
    this.#closers.push(() => {
      server.closeAllConnections();
      server.close();
    });
  }

  /** Answers, once the client has ended its side, with everything it said in capitals. */
  serveShout(port: number): void {
    const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
      let said = '';
      socket.on('data', (chunk) => {
        said += chunk;
      });
      socket.on('end', () => socket.end(said.toUpperCase()));
      socket.on('error', () => {});
    });
    server.listen({ fd: this.#bind('tcp', port) }).unref();
    this.#closers.push(() => server.close());
  }

  serveUdpEcho(port: number, word = 'echo'): void {
    const socket = createSocket('udp4');
    socket.on('message', (message, from) => socket.send(`${word} ${message}`, from.port, from.address));
    socket.bind({ fd: this.#bind('udp', port) });
    socket.unref();
    this.#closers.push(() => socket.close());
  }

  /** Runs busybox in here; resolves with its exit code and what it printed. */
  async busybox(...args: string[]): Promise<{ code: number; output: string }> {
    const options = { stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT } satisfies SpawnOptions;
    const child: ChildProcess = inNetworkNamespace(this.fd, () => spawn('busybox', args, options));
    let output = '';
    child.stdout?.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      output += chunk;
    });
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve({ code: code ?? -1, output }));
    });
  }

  /** Fetches a page from in here; the busybox program does it, for its sockets have to be born here. */
  async fetch(url: string): Promise<string> {
    const { code, output } = await this.busybox('wget', '-q', '-O', '-', url);
    return code === 0 ? output : `failed: ${output}`;
  }

  onDispose(close: () => void): void {
    this.#closers.push(close);
  }

  [Symbol.dispose](): void {
    for (const close of this.#closers) close();
    closeSync(this.fd);
  }

  #bind(protocol: 'tcp' | 'udp', port: number): number {
    return inNetworkNamespace(this.fd, () => bindHostSocket(protocol, ANY, port));
  }
}

/** A machine on a wire to this host, which has no route to the containers' subnets but asks the host for all others. */
export function connectOutside(): Machine {
  const outside = new Machine();
  using route = new NetlinkSocket(NETLINK_ROUTE);
  const peer = { name: 'wire0', index: 0, macAddress: '02:00:00:00:00:02', namespaceFd: outside.fd };
  route.transact([createVeth({ name: 'wire0', index: 0, master: 0, mtu: 1500, peer })]);
  const near = findLink(route, 'wire0')?.index ?? 0;
  route.transact([addAddress(near, { address: bytes(HOST_ADDRESS), prefixLength: 24 })]);
  using there = inNetworkNamespace(outside.fd, () => new NetlinkSocket(NETLINK_ROUTE));
  const far = findLink(there, 'wire0')?.index ?? 0;
  there.transact([
    setLinkUp(LOOPBACK_INDEX),
    setLinkUp(far),
    addAddress(far, { address: bytes(OUTSIDE_ADDRESS), prefixLength: 24 }),
    addDefaultRoute(far, bytes(HOST_ADDRESS)),
  ]);
  return outside;
}

function bytes(address: string): Uint8Array {
  return Uint8Array.from(address.split('.'), Number);
}

// The name server of one container: sockets of the daemon that live in the container's network namespace, on 127.0.0.11. Port 53
// itself stays free for the container's own use (it may be a name server): the sockets have random ports, and a rule
// inside the namespace redirects 127.0.0.11:53 to them.
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket, type Server as StreamServer } from 'node:net';
import { bindHostSocket } from '@berth/sys/host-socket';
import { NETLINK_NETFILTER, NetlinkSocket } from '@berth/sys/netlink/socket';
import { inNetworkNamespace, openNetworkNamespace } from '@berth/sys/network-namespace';
import { FAMILY_IP, NftBatch } from '@berth/sys/nftables/batch';
import { compare, destinationNat, type Expression, load, meta, payload } from '@berth/sys/nftables/expression';
import type { NetworkNamespace } from '../driver.ts';
import { ipBytes, parseIp } from '../ip.ts';
import { answer, failure } from './answer.ts';
import type { Names } from './names.ts';
import { forward, framed, MessageReader, type Server } from './upstream.ts';

/** Where Docker's is too; containers have it in their resolv.conf. */
export const NAME_SERVER_ADDRESS = '127.0.0.11';

const ADDRESS = ipBytes(parseIp(NAME_SERVER_ADDRESS));
const PROTOCOLS = { udp: 17, tcp: 6 };
const IDLE = 10_000;
/** Questions of one container that wait for upstream servers at a time; more are answered with a failure at once. */
const MAX_FORWARDED = 256;

export class NameServer implements Disposable {
  readonly #names: Names;
  readonly #upstream: readonly Server[];
  readonly #datagrams: DatagramSocket;
  readonly #streams: StreamServer;
  readonly #connections = new Set<Socket>();
  #forwarded = 0;
  #closed = false;

  constructor(namespace: NetworkNamespace, names: Names, upstream: readonly Server[]) {
    this.#names = names;
    this.#upstream = upstream;
    const fd = 'fd' in namespace ? namespace.fd : openNetworkNamespace(namespace.pid);
    try {
      const sockets = inNetworkNamespace(fd, () => ({ udp: bindHostSocket('udp', ADDRESS, 0), tcp: bindHostSocket('tcp', ADDRESS, 0) }));
      this.#datagrams = this.#serveDatagrams(sockets.udp);
      this.#streams = this.#serveStreams(sockets.tcp);
      try {
        redirect(fd, { udp: this.#datagrams.address().port, tcp: (this.#streams.address() as AddressInfo).port });
      } catch (error) {
        this[Symbol.dispose]();
        throw error;
      }
    } finally {
      if (!('fd' in namespace)) closeSync(fd);
    }
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#datagrams.close();
    this.#streams.close();
    for (const connection of this.#connections) connection.destroy();
  }

  #serveDatagrams(fd: number): DatagramSocket {
    const socket = createSocket('udp4');
    socket.on('error', () => {});
    socket.on('message', async (query, from) => {
      const response = await this.#respond(query, 'udp');
      if (response && !this.#closed) socket.send(response, from.port, from.address);
    });
    socket.bind({ fd });
    return socket.unref();
  }

  #serveStreams(fd: number): StreamServer {
    const server = createServer((connection) => {
      this.#connections.add(connection);
      const messages = new MessageReader();
      connection.setTimeout(IDLE, () => connection.destroy());
      connection.on('error', () => {});
      connection.on('close', () => this.#connections.delete(connection));
      connection.on('data', async (chunk) => {
        for (const query of messages.push(chunk)) {
          const response = await this.#respond(query, 'tcp');
          if (response && connection.writable) connection.write(framed(response));
        }
      });
    });
    server.on('error', () => {});
    server.listen({ fd });
    return server.unref();
  }

  async #respond(query: Buffer, transport: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    const own = answer(query, this.#names, transport);
    if (own !== 'forward') return own;
    if (this.#forwarded >= MAX_FORWARDED) return failure(query);
    this.#forwarded++;
    try {
      return (await forward(query, transport, this.#upstream)) ?? failure(query);
    } finally {
      this.#forwarded--;
    }
  }
}

/** 127.0.0.11:53 to where the sockets are, in the container's own packet filter. */
function redirect(namespaceFd: number, ports: { udp: number; tcp: number }): void {
  using socket = inNetworkNamespace(namespaceFd, () => new NetlinkSocket(NETLINK_NETFILTER));
  const batch = new NftBatch(FAMILY_IP, 'berth-dns').replaceTable();
  batch.addChain({ name: 'output', type: 'nat', hook: 'output', priority: -100 });
  for (const protocol of ['udp', 'tcp'] as const) batch.addRule('output', redirection(protocol, ports[protocol]));
  batch.commit(socket);
}

function redirection(protocol: 'udp' | 'tcp', port: number): Expression[] {
  return [
    payload('network', 16, 4, 0),
    compare(0, '==', ADDRESS),
    meta('l4proto', 0),
    compare(0, '==', Uint8Array.of(PROTOCOLS[protocol])),
    payload('transport', 2, 2, 0),
    compare(0, '==', Uint8Array.of(0, 53)),
    load(ADDRESS, 0),
    load(Uint8Array.of(port >> 8, port & 0xff), 1),
    destinationNat(FAMILY_IP, 0, 1),
  ];
}

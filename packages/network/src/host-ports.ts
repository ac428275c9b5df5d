// The host's ports that containers publish: who has which, and the sockets that hold them. One per daemon, shared by its
// networks. A port is reserved by binding it, so the answer is the kernel's and counts other programs too.
import { closeSync, readFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { bindHostSocket } from '@berth/sys/host-socket';
import type { PortRequest, PublishedPort } from './driver.ts';
import { ipBytes, parseIp } from './ip.ts';

/** One reserved port of one host address. */
export interface HostPort {
  published: PublishedPort;
  /** The socket that holds it, listening; -1 for SCTP, which no proxy speaks and only the rules forward. */
  fd: number;
}

const ANY4 = '0.0.0.0';
const ANY6 = '::';

export class HostPorts {
  /** `tcp/80` to the addresses that have it. */
  readonly #taken = new Map<string, Set<string>>();
  readonly #dynamic: { first: number; last: number };
  #next: number;

  constructor(range: { first: number; last: number } = dynamicRange()) {
    this.#dynamic = range;
    this.#next = range.first;
  }

  /**
   * Reserves a port on each address that the request means: both families for ''. `target` (`172.17.0.2`) is for the message only.
   * Throws Docker's words: `Bind for ADDRESS failed: port is already allocated` where another container has the port,
   * `failed to bind host port for …: address already in use` where another program has it.
   */
  reserve(request: PortRequest, target: string): HostPort[] {
    let refusal: unknown;
    for (const port of this.#candidates(request)) {
      try {
        return this.#reserveOn(request, port, target);
      } catch (error) {
        refusal = error;
        if (!isTaken(error)) break;
      }
    }
    if (request.hostPort === 0 && isTaken(refusal)) {
      throw new EngineError('ResourceExhausted', 'all ports are allocated', { layer: 'network', cause: refusal });
    }
    throw refusal;
  }

  /** Takes a port back exactly as it was. */
  restore(published: PublishedPort, target: string): HostPort {
    const [port] = this.#reserveOn(published, published.hostPort, target);
    if (!port) throw new EngineError('Internal', `host address ${published.hostIp} is gone`, { layer: 'network' });
    return port;
  }

  /** Forgets a port; its socket has been closed, or is by this when no proxy took it over. */
  release(port: HostPort, options: { closeSocket?: boolean } = {}): void {
    const { protocol, hostPort, hostIp } = port.published;
    const key = `${protocol}/${hostPort}`;
    const addresses = this.#taken.get(key);
    addresses?.delete(hostIp);
    if (addresses?.size === 0) this.#taken.delete(key);
    if (options.closeSocket && port.fd >= 0) closeSync(port.fd);
  }

  *#candidates(request: PortRequest): Generator<number> {
    if (request.hostPort !== 0) {
      for (let port = request.hostPort; port <= (request.hostPortEnd ?? request.hostPort); port++) yield port;
      return;
    }
    const { first, last } = this.#dynamic;
    for (let tries = 0; tries <= last - first; tries++) {
      const port = this.#next;
      this.#next = port >= last ? first : port + 1;
      yield port;
    }
  }

  #reserveOn(request: PortRequest, port: number, target: string): HostPort[] {
    const addresses = request.hostIp === '' ? [ANY4, ANY6] : [request.hostIp];
    const reserved: HostPort[] = [];
    try {
      for (const address of addresses) {
        const made = this.#reserveOne({ ...request, hostIp: address, hostPort: port }, target, request.hostIp === '' && address === ANY6);
        if (made) reserved.push(made);
      }
      return reserved;
    } catch (error) {
      for (const made of reserved) this.release(made, { closeSocket: true });
      throw error;
    }
  }

  #reserveOne(wanted: PublishedPort, target: string, optional: boolean): HostPort | undefined {
    const { protocol, containerPort, hostIp, hostPort } = wanted;
    const key = `${protocol}/${hostPort}`;
    const taken = this.#taken.get(key);
    if (taken && [...taken].some((address) => sameAddress(address, hostIp))) {
      throw new EngineError('Internal', `Bind for ${display(hostIp)}:${hostPort} failed: port is already allocated`, { layer: 'network' });
    }
    let fd = -1;
    if (protocol !== 'sctp') {
      try {
        fd = bindHostSocket(protocol, ipBytes(parseIp(hostIp)), hostPort);
      } catch (error) {
        const code = (error as { code?: string }).code;
        // A host without IPv6 publishes on IPv4 alone, unless IPv6 was asked for.
        if (optional && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL')) return undefined;
        const reason = REASONS[code ?? ''] ?? (error as Error).message;
        const container = target.includes(':') ? `[${target}]` : target;
        throw new EngineError(
          'Internal',
          `failed to bind host port for ${display(hostIp)}:${hostPort}:${container}:${containerPort}/${protocol}: ${reason}`,
          { layer: 'network', cause: error },
        );
      }
    }
    if (taken) taken.add(hostIp);
    else this.#taken.set(key, new Set([hostIp]));
    return { published: { containerPort, protocol, hostIp, hostPort }, fd };
  }
}

/** The kernel's words as Go prints them, for clients that look for them. */
const REASONS: Record<string, string> = {
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'cannot assign requested address',
  EACCES: 'permission denied',
};

/** Whether another port might do. */
function isTaken(error: unknown): boolean {
  const cause = (error as Error).cause as { code?: string } | undefined;
  return cause === undefined || cause.code === 'EADDRINUSE';
}

function display(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** Whether two bindings of one port clash: the same address, or one of them every address of the family. */
function sameAddress(a: string, b: string): boolean {
  if (a.includes(':') !== b.includes(':')) return false;
  return a === b || a === ANY4 || b === ANY4 || a === ANY6 || b === ANY6;
}

/** The kernel's range for ports that nobody asked for by number, or the one IANA sets aside (RFC 6335). */
function dynamicRange(): { first: number; last: number } {
  try {
    const [first, last] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/).map(Number);
    if (first && last && first <= last) return { first, last };
  } catch {
    // No procfs: a sandbox.
  }
  return { first: 49153, last: 65535 };
}

// Asks the servers outside, from the host's own network: a container needs no route to them. Messages pass unchanged, over the
// transport that they came by.
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';

/** Milliseconds until the next server is asked. */
const PATIENCE = 3000;
const PORT = 53;

/** An address, or address#port. */
export interface Server {
  address: string;
  port: number;
}

export function parseServer(text: string): Server {
  const [address = '', port] = text.split('#');
  return { address, port: port === undefined ? PORT : Number(port) };
}

/** The first answer that a server gives, in the order of the list; undefined when none does. */
export async function forward(query: Buffer, transport: 'udp' | 'tcp', servers: readonly Server[]): Promise<Buffer | undefined> {
  for (const server of servers) {
    const response = await (transport === 'udp' ? askByDatagram(query, server) : askByStream(query, server));
    if (response) return response;
  }
  return undefined;
}

/** A socket of its own for each question: an answer has to hit its random port as well as the message's id. */
function askByDatagram(query: Buffer, { address, port }: Server): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    const done = (response?: Buffer) => {
      clearTimeout(timer);
      socket.removeAllListeners('message').close();
      resolve(response);
    };
    const timer = setTimeout(done, PATIENCE);
    socket.on('error', () => done());
    socket.on('message', (response) => {
      if (response.length >= 12 && response.readUInt16BE(0) === query.readUInt16BE(0)) done(response);
    });
    socket.connect(port, address, () => socket.send(query));
  });
}

function askByStream(query: Buffer, { address, port }: Server): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: PATIENCE });
    const messages = new MessageReader();
    const done = (response?: Buffer) => {
      socket.destroy();
      resolve(response);
    };
    socket.on('error', () => done());
    socket.on('timeout', () => done());
    socket.on('end', () => done());
    socket.on('data', (chunk) => {
      const [response] = messages.push(chunk);
      if (response) done(response);
    });
    socket.write(framed(query));
  });
}

/** A message on a stream is preceded by its length in two bytes (RFC 1035, 4.2.2). */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Takes messages out of a stream. */
export class MessageReader {
  #pending: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): Buffer[] {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const messages: Buffer[] = [];
    while (this.#pending.length >= 2) {
      const end = 2 + this.#pending.readUInt16BE(0);
      if (this.#pending.length < end) break;
      messages.push(this.#pending.subarray(2, end));
      this.#pending = this.#pending.subarray(end);
    }
    return messages;
  }
}

// Turning an HTTP exchange into a raw two-way stream (attach, exec start): `101 UPGRADED` for clients that ask for it, a 200
// whose body is the output otherwise (its chunked request body is then the input). The client's half-close is the end of its
// input and says nothing about the output.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { finished, type Readable, type Writable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { requestState, speaksAtLeast } from './request.ts';

export interface HijackedStream {
  /** What the client sends. */
  readonly input: Readable;
  readonly output: Writable;
  /** Settles when the client can be reached no more. */
  readonly closed: Promise<void>;
  /** Ends the output. The rest of the input is drained: closing on unread bytes would reset the connection under the client's reads. */
  end(): void;
}

/** How long a client may keep its half open after ours has ended, ms. */
const LINGER = 10_000;

/** `multiplexed`: the output is stdcopy frames, which newer clients want to be told. */
export function hijack(request: IncomingMessage, response: ServerResponse, multiplexed: boolean): HijackedStream {
  const framed = multiplexed && speaksAtLeast(request, '1.42');
  const contentType = `application/vnd.docker.${framed ? 'multiplexed' : 'raw'}-stream`;
  const { upgrade } = requestState(request);
  if (!upgrade) {
    response.writeHead(200, { 'Content-Type': contentType, Connection: 'close' });
    response.flushHeaders();
    return streamOf(request, response);
  }
  const socket = upgrade as Socket;
  response.detachSocket(socket);
  const headers = Object.entries(response.getHeaders()).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 101 UPGRADED\r\nContent-Type: ${contentType}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n${headers.join('')}\r\n`);
  return streamOf(socket, socket);
}

function streamOf(input: Readable, output: Writable): HijackedStream {
  const closed = new Promise<void>((resolve) => {
    finished(output, { readable: false }, () => resolve());
  });
  input.on('error', () => {});
  output.on('error', () => {});
  return {
    input,
    output,
    closed,
    end() {
      // Both sides have said everything: a close needs no further turn of the event loop, as a half-close would. TLS has a word to say.
      if (input === (output as unknown) && input.readableEnded && output.writableLength === 0 && !(output as TLSSocket).encrypted) {
        output.destroy();
        return;
      }
      output.end();
      input.resume();
      const timer = setTimeout(() => output.destroy(), LINGER);
      timer.unref();
      output.once('close', () => clearTimeout(timer));
      input.once('end', () => output.destroy());
      if (input.readableEnded) output.once('finish', () => output.destroy());
    },
  };
}

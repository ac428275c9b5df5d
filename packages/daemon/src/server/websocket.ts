// The same two-way stream as hijack.ts over a WebSocket, for pages in a browser: whatever the container writes is the payload of messages,
// both of its streams in one and without frames. Messages of the client are the input; closing the socket is the end of it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { finished, Writable } from 'node:stream';
import { StdcopyDecoder } from '@berth/api/stdcopy';
import { EngineError } from '@berth/errdefs/engine-error';
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws';
import type { HijackedStream } from './hijack.ts';
import { requestState, speaksAtLeast } from './request.ts';

/** Bytes of one message of a client. */
const MAX_MESSAGE = 1 << 20;

/** Throws InvalidArgument for a request that asks for no WebSocket. */
export function checkWebSocket(request: IncomingMessage): void {
  const { upgrade, 'sec-websocket-key': key, 'sec-websocket-version': version } = request.headers;
  if (requestState(request).upgrade && /^websocket$/i.test(upgrade ?? '') && /^[+/0-9A-Za-z]{22}==$/.test(key ?? '') && version === '13')
    return;
  throw new EngineError('InvalidArgument', 'not websocket protocol: this route takes an Upgrade to websocket, version 13', {
    layer: 'daemon',
  });
}

/** Takes over the connection of a checked request. `multiplexed`: what is written to the output is stdcopy frames, which are taken apart. */
export function openWebSocket(request: IncomingMessage, response: ServerResponse, multiplexed: boolean): HijackedStream {
  const socket = requestState(request).upgrade as NonNullable<ReturnType<typeof requestState>['upgrade']>;
  response.detachSocket(socket as never);
  let accepted: WebSocket | undefined;
  const server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: MAX_MESSAGE });
  // Nothing of it waits: the request was checked.
  server.handleUpgrade(request, socket, Buffer.alloc(0), (client) => {
    accepted = client;
  });
  if (!accepted) throw new EngineError('Internal', 'the WebSocket was not accepted', { layer: 'daemon' });
  return streamOf(accepted, multiplexed, speaksAtLeast(request, '1.28'));
}

/** `binary`: before 1.28 messages were text. */
function streamOf(client: WebSocket, multiplexed: boolean, binary: boolean): HijackedStream {
  const input = createWebSocketStream(client);
  const decoder = multiplexed ? new StdcopyDecoder() : undefined;
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const payloads = decoder ? decoder.push(chunk).map(({ payload }) => payload) : [chunk];
      const last = payloads.pop();
      for (const payload of payloads) client.send(payload, { binary });
      if (last) client.send(last, { binary }, () => done());
      else done();
    },
    final(done) {
      client.close(1000);
      done();
    },
  });
  input.on('error', () => {});
  output.on('error', () => {});
  const closed = new Promise<void>((resolve) => {
    client.once('close', () => resolve());
    finished(input, { writable: false }, () => resolve());
  });
  return {
    input,
    output,
    closed,
    end() {
      output.end();
      input.resume();
    },
  };
}

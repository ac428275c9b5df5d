// How replies look: JSON bodies, the error body, and streams whose headers go out before anything else does.
import type { ServerResponse } from 'node:http';
import { toEngineError } from '@berth/errdefs/engine-error';
import { httpStatus } from '@berth/errdefs/http';

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = Buffer.from(`${JSON.stringify(body)}\n`);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': text.byteLength });
  response.end(text);
}

export function sendEmpty(response: ServerResponse, status: number): void {
  response.writeHead(status);
  response.end();
}

/** An error as the Engine API words it; once a stream has begun, the only thing left is to cut it. */
export function sendError(response: ServerResponse, thrown: unknown): void {
  const error = toEngineError(thrown);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const status = httpStatus(error.kind);
  if (status === 304) sendEmpty(response, status);
  else sendJson(response, status, { message: error.message });
}

/** Starts a stream: status and headers leave at once, so that the client knows its request was accepted. */
export function beginStream(response: ServerResponse, contentType: string): void {
  response.writeHead(200, { 'Content-Type': contentType });
  response.flushHeaders();
}

/** An abort signal that fires when the client has gone. */
export function clientGone(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.on('close', () => controller.abort());
  if (response.destroyed) controller.abort();
  return controller.signal;
}

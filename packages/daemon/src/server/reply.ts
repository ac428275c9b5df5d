// How replies look: JSON bodies, the error body, and streams whose headers go out before anything else does.
import type { ServerResponse } from 'node:http';
import { toEngineError } from '@berth/errdefs/engine-error';
import { httpStatus } from '@berth/errdefs/http';

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  // As text it leaves in one piece with the headers.
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
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
  if (status === 304) {
    sendEmpty(response, status);
    return;
  }
  // Docker's clients read the message; `layer` is for those who want to know where to look.
  const text = Buffer.from(`${JSON.stringify({ message: error.message, layer: error.layer ?? 'daemon' })}\n`);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': text.byteLength });
  endAfterRequest(response, text);
}

/** A client in the middle of a long request is given this long to read the answer, ms. */
const LINGER = 500;

/**
 * Ends the response when the request's body has ended, or shortly after. Closing a connection while bytes of it are unread makes the
 * kernel throw away what the client has not read: it would see a broken pipe instead of the error.
 */
function endAfterRequest(response: ServerResponse, text: Buffer): void {
  const request = response.req;
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  if (!hasBody || request.complete || request.destroyed) {
    response.end(text);
    return;
  }
  response.write(text);
  const finish = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(finish, LINGER);
  request.once('end', finish).once('close', finish).resume();
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

// The HTTP server of the Engine API: one request handler for every listener. Requests that ask to switch protocols reach the same
// routes as all others; only their socket has left Node's parser, so that a route can take it over (hijack.ts).
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions, TlsOptions } from 'node:tls';
import { API_VERSION } from '@berth/api/system';
import { EngineError } from '@berth/errdefs/engine-error';
import { parseTraceparent, TRACEPARENT } from '@berth/trace/context';
import type { Tracer } from '@berth/trace/tracer';
import express, { type NextFunction, type Request, type Response, type Router } from 'express';
import { sendError } from './reply.ts';
import { setRequestState } from './request.ts';
import { checkVersion, splitVersion } from './version.ts';

export interface ServerOptions {
  readonly version: string;
  readonly experimental: boolean;
  readonly tracer: Tracer;
  readonly onError: (error: unknown, request: string) => void;
}

type Handler = (request: IncomingMessage, response: ServerResponse, upgrade?: Duplex) => void;

/** The handler of all requests over the given routers. */
export function engineHandler(routers: readonly Router[], options: ServerOptions): Handler {
  const app = express();
  app.disable('x-powered-by').disable('etag');
  app.options('/{*any}', (_request, response) => void response.status(200).end());
  app.use((request: Request, response: Response, next: NextFunction) => {
    if (isStricter(request)) sendError(response, pageNotFound());
    else next();
  });
  for (const router of routers) app.use(router);
  app.use((_request: Request, response: Response) => sendError(response, pageNotFound()));
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    // A client that left in the middle of a stream is no failure of ours.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') options.onError(error, `${request.method} ${request.url}`);
    sendError(response, error);
  });

  return (request, response, upgrade) => {
    const { version, path } = splitVersion(request.url ?? '/');
    response.setHeader('Api-Version', API_VERSION);
    response.setHeader('Server', `Docker/${options.version} (linux)`);
    response.setHeader('Ostype', 'linux');
    response.setHeader('Docker-Experimental', String(options.experimental));
    const parent = parseTraceparent(request.headers[TRACEPARENT] as string | undefined);
    const span = options.tracer.start(`${request.method} ${path.split('?', 1)[0]}`, parent);
    response.once('close', () => span.end());
    setRequestState(request, { apiVersion: version, span, upgrade });
    try {
      checkVersion(version);
    } catch (error) {
      sendError(response, error);
      return;
    }
    request.url = path;
    app(request, response);
  };
}

/** What express takes for a route and moby does not: a path with a slash at its end, and HEAD where only GET is asked for. */
function isStricter({ method, path }: Request): boolean {
  return (path.length > 1 && path.endsWith('/')) || (method === 'HEAD' && !/^\/(_ping|containers\/[^/]+\/archive)$/.test(path));
}

function pageNotFound(): EngineError {
  return new EngineError('NotFound', 'page not found', { layer: 'daemon' });
}

/** A server for one listener; `tls` for https. It is not listening yet. */
export function createEngineServer(handler: Handler, tls?: SecureContextOptions & TlsOptions): Server {
  // The client's half-close is the end of its input only (hijack.ts); https does not allow that by itself.
  const server = tls ? createTlsServer({ ...tls, allowHalfOpen: true }) : createServer();
  // Streams (logs, events, pulls) may be silent for as long as they like.
  server.requestTimeout = 0;
  server.timeout = 0;
  server.keepAliveTimeout = 60_000;
  server.on('request', (request, response) => handler(request, response));
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {});
    if (head.byteLength > 0) socket.unshift(head);
    const response = new ServerResponse(request);
    response.assignSocket(socket as never);
    // An answer that does not switch protocols is the last thing on this connection.
    response.shouldKeepAlive = false;
    response.once('finish', () => {
      if (response.socket) socket.end();
    });
    handler(request, response, socket);
  });
  return server;
}

// The HTTP or HTTPS server around the handler, with the limits that keep slow and broken clients from holding connections.
import * as http from 'node:http';
import * as https from 'node:https';
import type { ListenOptions } from 'node:net';
import { EngineError } from '@berth/errdefs/engine-error';
import type { RegistryHandler } from './handler.ts';

/** PEM texts. */
export interface TlsFiles {
  cert: string;
  key: string;
  /** Clients must have a certificate of this authority. */
  clientCa: string | undefined;
}

/** Milliseconds. */
export interface ServerLimits {
  /** For the head of a request. */
  head: number;
  /** On a connection on which nothing moves in either direction, during a request. */
  idle: number;
}

const DEFAULT_LIMITS: ServerLimits = { head: 10_000, idle: 60_000 };
const KEEP_ALIVE_MS = 75_000;

export type RegistryServer = http.Server | https.Server;

export function createRegistryServer(handler: RegistryHandler, tls?: TlsFiles, limits: ServerLimits = DEFAULT_LIMITS): RegistryServer {
  const options: http.ServerOptions = {
    // Uploads may take hours: bodies are watched as they come (exchange.ts).
    requestTimeout: 0,
    headersTimeout: limits.head,
    connectionsCheckingInterval: limits.head / 4,
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
  const listener = (request: http.IncomingMessage, response: http.ServerResponse) => void handler.handle(request, response);
  const server = tls
    ? https.createServer({ ...options, ...secureContext(tls), minVersion: 'TLSv1.2', handshakeTimeout: limits.head }, listener)
    : http.createServer(options, listener);
  // The client may send its body once the handler has read the head and wants it.
  server.on('checkContinue', listener);
  server.setTimeout(limits.idle);
  return server;
}

/** New connections get the new certificate. */
export function renewCertificate(server: RegistryServer, tls: TlsFiles): void {
  if ('setSecureContext' in server) server.setSecureContext(secureContext(tls));
}

/** Resolves once connections are taken; FailedPrecondition, with what to do, when the address cannot be had. */
export function listen(server: RegistryServer, address: ListenOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const where = `${address.host ?? '*'}:${address.port}`;
  server.once('error', (error: NodeJS.ErrnoException) => {
    const hint = error.code === 'EADDRINUSE' ? 'another program listens there: choose another --listen' : error.message;
    reject(new EngineError('FailedPrecondition', `cannot listen on ${where}: ${hint}`, { layer: 'registry', cause: error }));
  });
  server.listen(address, resolve);
  return promise;
}

function secureContext({ cert, key, clientCa }: TlsFiles): https.ServerOptions {
  return { cert, key, ...(clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true }) };
}

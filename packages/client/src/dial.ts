// A connection to the daemon below HTTP: for whoever speaks to it on the other side (`berth system dial-stdio`).
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { Endpoint } from './endpoint.ts';
import { dialOverSsh } from './ssh.ts';

export function dial(endpoint: Endpoint): Duplex {
  if (endpoint.kind === 'ssh') return dialOverSsh(endpoint.url);
  // Each side ends when it has said everything.
  if (endpoint.kind === 'unix') return connect({ path: endpoint.path, allowHalfOpen: true });
  const { host, port, tls } = endpoint;
  if (!tls) return connect({ host, port, allowHalfOpen: true });
  const { verify, ...material } = tls;
  const options: ConnectionOptions & { allowHalfOpen: boolean } = {
    host,
    port,
    ...material,
    rejectUnauthorized: verify,
    allowHalfOpen: true,
  };
  return connectTls(options);
}

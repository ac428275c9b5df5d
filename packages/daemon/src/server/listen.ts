// The addresses of -H: unix:// sockets (0660, the group's if there is one) and tcp:// with or without TLS. A unix socket that
// another daemon serves is left alone; one that nobody answers on is taken over.
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import type { ListenOptions } from 'node:net';
import { dirname } from 'node:path';
import type { SecureContextOptions, TlsOptions } from 'node:tls';
import { EngineError } from '@berth/errdefs/engine-error';
import { answers } from '@berth/sys/socket-probe';
import type { TlsFiles } from '../config/config.ts';

export interface Address {
  /** As it is told to people: `/run/berth/berth.sock`, `127.0.0.1:2375`. */
  readonly label: string;
  readonly listen: ListenOptions;
  readonly unixPath: string | undefined;
}

/** Throws InvalidArgument for what cannot be listened on. */
export function parseAddress(host: string): Address {
  if (host.startsWith('unix://')) {
    const path = host.slice('unix://'.length);
    if (!path.startsWith('/')) throw invalid(host, 'a unix socket needs an absolute path');
    if (Buffer.byteLength(path) > 107) throw invalid(host, 'the path of a unix socket has at most 107 bytes');
    return { label: path, listen: { path }, unixPath: path };
  }
  const tcp = /^tcp:\/\/(\[[^\]]+\]|[^:/]*)(?::(\d+))?\/?$/.exec(host);
  if (!tcp) throw invalid(host, 'it must be unix:///path or tcp://address:port');
  const address = (tcp[1] || '127.0.0.1').replace(/^\[|\]$/g, '');
  const port = Number(tcp[2] ?? 2375);
  return { label: `${address.includes(':') ? `[${address}]` : address}:${port}`, listen: { host: address, port }, unixPath: undefined };
}

/** Makes `server` listen; resolves once it does. */
export async function listen(server: Server, address: Address, group: string | undefined): Promise<void> {
  if (address.unixPath !== undefined) await claimSocket(address.unixPath);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(address, error)));
    server.listen(address.listen, () => resolve());
  });
  if (address.unixPath !== undefined) restrictSocket(address.unixPath, group);
}

export function tlsOptions(files: TlsFiles): SecureContextOptions & TlsOptions {
  const read = (path: string) => {
    try {
      return readFileSync(path);
    } catch (cause) {
      throw new EngineError('InvalidArgument', `could not load the TLS file ${path}: ${(cause as Error).message}`, {
        layer: 'daemon',
        cause,
      });
    }
  };
  return {
    cert: read(files.cert),
    key: read(files.key),
    ca: files.ca === undefined ? undefined : read(files.ca),
    requestCert: files.verify,
    rejectUnauthorized: files.verify,
    minVersion: 'TLSv1.2',
  };
}

async function claimSocket(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  if (!existsSync(path)) return;
  if (!lstatSync(path).isSocket()) throw inTheWay(path, 'it is no socket; remove it');
  if (await answers(path)) throw inTheWay(path, 'a daemon is serving it; stop it');
  rmSync(path, { force: true });
}

function inTheWay(path: string, why: string): EngineError {
  return new EngineError('FailedPrecondition', `can't create unix socket ${path}: ${why} or choose another -H`, { layer: 'daemon' });
}

function restrictSocket(path: string, group: string | undefined): void {
  const gid = groupId(group ?? 'docker');
  if (gid === undefined && group !== undefined) {
    throw new EngineError('InvalidArgument', `the group ${group} does not exist: create it or leave --group out`, { layer: 'daemon' });
  }
  if (gid !== undefined) chownSync(path, 0, gid);
  chmodSync(path, 0o660);
}

function groupId(name: string): number | undefined {
  if (/^\d+$/.test(name)) return Number(name);
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${name}:`));
  return line === undefined ? undefined : Number(line.split(':')[2]);
}

function cannotListen(address: Address, error: NodeJS.ErrnoException): EngineError {
  const reason = error.code === 'EADDRINUSE' ? 'address already in use' : error.code === 'EACCES' ? 'permission denied' : error.message;
  return new EngineError('FailedPrecondition', `cannot listen on ${address.label}: ${reason}`, { layer: 'daemon', cause: error });
}

function invalid(host: string, reason: string): EngineError {
  return new EngineError('InvalidArgument', `invalid bind address (${host}): ${reason}`, { layer: 'daemon' });
}

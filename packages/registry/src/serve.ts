// `berth-registry serve`: puts the parts together as the settings say, and serves until it is told to stop.
import type { AddressInfo } from 'node:net';
import { discard, TraceDirectory, Tracer } from '@berth/trace/tracer';
import type { Logger } from 'pino';
import { BasicGate } from './access/basic-gate.ts';
import { type Gate, OpenGate } from './access/gate.ts';
import { Htpasswd } from './access/htpasswd.ts';
import { publicKeys } from './access/token.ts';
import { TokenGate } from './access/token-gate.ts';
import { OWN_ISSUER, signingKey, TokenIssuer } from './access/token-issuer.ts';
import { type AccessSettings, readText, type ServeSettings } from './flags.ts';
import { type Answered, RegistryHandler } from './http/handler.ts';
import { createRegistryServer, listen, renewCertificate, type TlsFiles } from './http/server.ts';
import { LocalSource } from './local/local-source.ts';
import { ProxySource } from './proxy/proxy-source.ts';
import { Upstream } from './proxy/upstream.ts';
import { type Source, StoreSource } from './source.ts';
import { Store } from './store/store.ts';

const EXPIRY_MS = 10 * 60_000;
/** Requests that run when the server is told to stop get this long. */
const STOP_MS = 10_000;

export interface RunningRegistry {
  /** `http://127.0.0.1:5000` */
  readonly url: string;
  /** Reads the certificate again. */
  reload(): void;
  /** Takes no new request, waits for the running ones a while. */
  stop(): Promise<void>;
}

export async function serve(settings: ServeSettings, log: Logger): Promise<RunningRegistry> {
  const { source, store, close } = await openSource(settings);
  // Its key for tokens is kept in the store.
  const { gate, issuer } = await accessBy(settings.access, settings.root).catch((error: unknown) => {
    close();
    throw error;
  });
  const handler = new RegistryHandler({
    store,
    source,
    gate,
    issuer,
    readOnly: settings.readOnly,
    publicUrl: settings.publicUrl,
    tracer: new Tracer('registry', settings.traceDir === undefined ? discard : new TraceDirectory(settings.traceDir)),
    onAnswer: (answer) => report(answer, log),
  });
  const server = createRegistryServer(handler, tlsFiles(settings));
  await listen(server, settings.listen);
  const expire = () =>
    store?.expire(Date.now() - settings.uploadLife).catch((error: unknown) => log.error({ err: error }, 'cannot remove old uploads'));
  void expire();
  const expiry = setInterval(expire, EXPIRY_MS);
  const { address, port, family } = server.address() as AddressInfo;
  return {
    url: `${settings.tls ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    reload: () => {
      const tls = tlsFiles(settings);
      if (tls) renewCertificate(server, tls);
    },
    async stop() {
      clearInterval(expiry);
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      const late = setTimeout(() => server.closeAllConnections(), STOP_MS);
      await closed;
      clearTimeout(late);
      close();
    },
  };
}

interface OpenedSource {
  source: Source;
  /** Undefined for an engine's images. */
  store: Store | undefined;
  close(): void;
}

async function openSource({ root, local, proxy }: ServeSettings): Promise<OpenedSource> {
  if (root === undefined) {
    const source = new LocalSource(local as NonNullable<typeof local>);
    await source.ready();
    return { source, store: undefined, close: () => source[Symbol.dispose]() };
  }
  const store = await Store.open(root, { create: true });
  const upstream = proxy && new Upstream(proxy);
  const source = upstream ? new ProxySource(store, upstream) : new StoreSource(store);
  return { source, store, close: () => upstream?.[Symbol.dispose]() };
}

async function accessBy(access: AccessSettings, root = ''): Promise<{ gate: Gate; issuer: TokenIssuer | undefined }> {
  switch (access.kind) {
    case 'open':
      return { gate: new OpenGate(), issuer: undefined };
    case 'basic':
      return { gate: new BasicGate(await Htpasswd.open(access.htpasswdPath)), issuer: undefined };
    case 'own-tokens': {
      const { service, anonymousPull } = access;
      const issuer = new TokenIssuer({
        users: await Htpasswd.open(access.htpasswdPath),
        service,
        anonymousPull,
        key: await signingKey(root),
      });
      return { gate: new TokenGate({ realm: undefined, service, issuer: OWN_ISSUER, keys: [issuer.publicKey] }), issuer };
    }
    case 'tokens': {
      const { realm, service, issuer, keyPath } = access;
      return { gate: new TokenGate({ realm, service, issuer, keys: publicKeys(readText(keyPath), keyPath) }), issuer: undefined };
    }
  }
}

function tlsFiles({ tls }: ServeSettings): TlsFiles | undefined {
  if (!tls) return undefined;
  const clientCa = tls.clientCaPath === undefined ? undefined : readText(tls.clientCaPath);
  return { cert: readText(tls.certPath), key: readText(tls.keyPath), clientCa };
}

function report({ failure, milliseconds, ...answer }: Answered, log: Logger): void {
  const facts = { ...answer, milliseconds: Math.round(milliseconds * 10) / 10 };
  if (failure !== undefined && !answer.left) log.error({ ...facts, err: failure }, 'request failed');
  else log.info(facts, answer.left ? 'client left' : 'answered');
}

// A daemon that serves: its routes on every address until a signal ends it.
import { rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { toEngineError } from '@berth/errdefs/engine-error';
import { httpStatus } from '@berth/errdefs/http';
import type { Logger } from 'pino';
import type { Config } from './config/config.ts';
import { startDaemon } from './daemon.ts';
import type { LifecycleProcess } from './lifecycle/lifecycle-process.ts';
import { createEngineServer, engineHandler } from './server/http-server.ts';
import { type Address, listen, tlsOptions } from './server/listen.ts';
import { VERSION } from './version.ts';

export interface ServeOptions {
  readonly config: Config;
  readonly addresses: readonly Address[];
  /** The daemon's own; undefined when it works with another's. */
  readonly service: LifecycleProcess | undefined;
  readonly log: Logger;
}

/** Resolves when the API listens. What fails before is thrown, and only the service is left running. */
export async function serve({ config, addresses, service, log }: ServeOptions): Promise<void> {
  const daemon = await startDaemon(config, service, log);
  const handler = engineHandler(daemon.routers, {
    version: VERSION,
    experimental: config.experimental,
    tracer: daemon.tracer,
    onError(error, request) {
      const known = toEngineError(error);
      if (httpStatus(known.kind) >= 500) log.error({ err: error, request, layer: known.layer }, known.message);
      else log.debug({ request, layer: known.layer }, known.message);
    },
  });
  const servers: Server[] = [];
  const stop = async (signal: string) => {
    log.info({ signal }, 'stopping; containers run on');
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
    await daemon.stop();
    rmSync(config.pidfile, { force: true });
    for (const { unixPath } of addresses) if (unixPath !== undefined) rmSync(unixPath, { force: true });
    process.exit(0);
  };
  try {
    for (const address of addresses) {
      const server = createEngineServer(handler, address.unixPath === undefined && config.tls ? tlsOptions(config.tls) : undefined);
      await listen(server, address, config.socketGroup);
      servers.push(server);
      log.info(`API listen on ${address.label}`);
    }
  } catch (error) {
    for (const server of servers) server.close();
    await daemon.stop();
    throw error;
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop(signal));
  process.on('uncaughtException', (error) => log.error({ err: error }, 'uncaught exception'));
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'unhandled rejection'));
}

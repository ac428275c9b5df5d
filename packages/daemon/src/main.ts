// berthd: the daemon behind the Docker Engine API. This file turns the command line into a running daemon and signals into its end.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { dirname } from 'node:path';
import { toEngineError } from '@berth/errdefs/engine-error';
import { httpStatus } from '@berth/errdefs/http';
import { optimizeEarly } from '@berth/sys/early-optimization';
import pino, { type Logger } from 'pino';
import { type Config, configOf, loadOptions } from './config/config.ts';
import { usage } from './config/options.ts';
import { startDaemon } from './daemon.ts';
import { createEngineServer, engineHandler } from './server/http-server.ts';
import { type Address, listen, parseAddress, tlsOptions } from './server/listen.ts';
import { COMMIT, VERSION } from './version.ts';

async function main(argv: readonly string[]): Promise<void> {
  const options = loadOptions(argv);
  if (options.help) return void process.stdout.write(usage());
  if (options.version) return void process.stdout.write(`Berth version ${VERSION}, build ${COMMIT}\n`);
  const config = configOf(options);
  const addresses = config.hosts.map(parseAddress);
  if (options.validate) return void process.stdout.write('configuration OK\n');
  if (process.geteuid?.() !== 0) throw new Error('berthd needs to be started with root privileges');

  optimizeEarly();
  const log = pino({ level: config.logLevel, base: undefined }, pino.destination({ dest: 2, sync: true }));
  claimPidFile(config.pidfile);
  try {
    await serve(config, addresses, log);
  } catch (error) {
    rmSync(config.pidfile, { force: true });
    throw error;
  }
}

async function serve(config: Config, addresses: readonly Address[], log: Logger): Promise<void> {
  const daemon = await startDaemon(config, log);
  const handler = engineHandler(daemon.routers, {
    version: VERSION,
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

/** Two daemons on one set of roots would undo each other's work. */
function claimPidFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  try {
    const pid = Number(readFileSync(path, 'utf8').trim());
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    if (pid !== process.pid && command.includes('berthd')) {
      throw new Error(`process with PID ${pid} is still running: pid file found, ensure that berthd is not running or delete ${path}`);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
  }
  writeFileSync(path, `${process.pid}\n`);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`berthd: ${toEngineError(error).message}\n`);
  process.exitCode = 1;
  // Something may still hold the event loop: a lifecycle service that is coming up, a connection that is tried.
  setTimeout(() => process.exit(1), 100);
});

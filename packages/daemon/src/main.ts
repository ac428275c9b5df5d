// berthd: the daemon behind the Docker Engine API. This file turns the command line into a running daemon. It loads no more than it needs
// to start the lifecycle service; the rest of the daemon is loaded while that one loads itself.
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { toEngineError } from '@berth/errdefs/engine-error';
import { optimizeEarly } from '@berth/sys/early-optimization';
import pino from 'pino';
import { type Config, configOf, loadOptions } from './config/config.ts';
import { usage } from './config/options.ts';
import { LifecycleProcess } from './lifecycle/lifecycle-process.ts';
import { parseAddress } from './server/listen.ts';
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
    makeRoots(config);
    const service = config.containerd === undefined ? new LifecycleProcess(config, log) : undefined;
    await service?.start();
    try {
      const { serve } = await import('./serve.ts');
      await serve({ config, addresses, service, log });
    } catch (error) {
      await service?.stop();
      throw error;
    }
  } catch (error) {
    rmSync(config.pidfile, { force: true });
    throw error;
  }
}

function makeRoots({ dataRoot, execRoot }: Config): void {
  for (const directory of [dataRoot, execRoot, join(dataRoot, 'containers'), join(execRoot, 'io')]) {
    mkdirSync(directory, { recursive: true, mode: 0o711 });
  }
  // Set-uid programs of images and what volumes hold are behind it (CVE-2021-41091).
  chmodSync(dataRoot, 0o710);
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

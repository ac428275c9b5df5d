// The daemon's own lifecycle service, unless --containerd names another: started as a child, adopted when a former daemon left one
// running, started again when it dies. Containers do not notice: shims keep them, their logs and their exit codes.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { answers } from '@berth/sys/socket-probe';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';

/** Between two starts of a service that dies at once, ms. */
const SLOWEST_RESTART = 5_000;

export class LifecycleProcess {
  readonly address: string;
  /** Its state directory: bundles are there. */
  readonly state: string;
  readonly #config: Config;
  readonly #log: Logger;
  readonly #pidFile: string;
  #child: ChildProcess | undefined;
  #adopted: number | undefined;
  #stopping = false;
  #backoff = 50;

  constructor(config: Config, log: Logger) {
    this.#config = config;
    this.#log = log;
    this.address = join(config.execRoot, 'lifecycle.sock');
    this.state = join(config.execRoot, 'lifecycle');
    this.#pidFile = join(config.execRoot, 'lifecycle.pid');
  }

  async start(): Promise<void> {
    mkdirSync(this.#config.execRoot, { recursive: true, mode: 0o711 });
    const former = this.#formerPid();
    if (former !== undefined && (await answers(this.address))) {
      this.#log.info({ pid: former }, 'using the lifecycle service that a former daemon left running');
      this.#adopted = former;
      void this.#watchAdopted(former);
      return;
    }
    this.#spawn();
  }

  /** Ends the service; containers run on. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const pid = this.#child?.pid ?? this.#adopted;
    if (pid === undefined) return;
    try {
      process.kill(pid, 'SIGTERM');
    } catch {
      return;
    }
    for (const deadline = Date.now() + 5_000; isAlive(pid) && Date.now() < deadline; ) await delay(10);
    rmSync(this.#pidFile, { force: true });
  }

  #spawn(): void {
    const { config } = { config: this.#config };
    const args = [
      ...programArguments(),
      '--root',
      join(config.dataRoot, 'lifecycle'),
      '--state',
      this.state,
      '--address',
      this.address,
      '--log-level',
      config.logLevel,
      '--trace-dir',
      config.traceDir,
    ];
    // Its own session: a Ctrl-C for the daemon is not one for the service.
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'], detached: true });
    this.#child = child;
    const startedAt = Date.now();
    if (child.pid !== undefined) writeFileSync(this.#pidFile, `${child.pid}\n`);
    child.on('error', (error) => this.#log.error({ err: error }, 'cannot start the lifecycle service'));
    child.on('exit', (code, signal) => {
      this.#child = undefined;
      if (!this.#stopping) this.#respawn(`it ended with ${signal ?? `code ${code}`}`, Date.now() - startedAt);
    });
  }

  #respawn(reason: string, lived: number): void {
    this.#backoff = lived > SLOWEST_RESTART ? 50 : Math.min(this.#backoff * 2, SLOWEST_RESTART);
    this.#log.warn({ reason, waitMs: this.#backoff }, 'starting the lifecycle service again');
    setTimeout(() => {
      if (!this.#stopping) this.#spawn();
    }, this.#backoff);
  }

  /** A process that is no child of ours is watched by asking whether it is still there. */
  async #watchAdopted(pid: number): Promise<void> {
    while (!this.#stopping) {
      await delay(500, undefined, { ref: false });
      if (isAlive(pid) || this.#stopping) continue;
      this.#adopted = undefined;
      this.#respawn('it is gone', SLOWEST_RESTART + 1);
      return;
    }
  }

  #formerPid(): number | undefined {
    try {
      const pid = Number(readFileSync(this.#pidFile, 'utf8').trim());
      // The number may belong to somebody else by now.
      return pid > 0 && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(this.address) ? pid : undefined;
    } catch {
      return undefined;
    }
  }
}

/**
 * The program's file, beside this bundle or in the source tree, and V8's flags as in bin/berth-lifecycle: the service lives on 20 MB of
 * objects, and V8 would keep five times as much before it collects.
 */
function programArguments(): string[] {
  const here = fileURLToPath(import.meta.url);
  const flags = ['--heap-growing-percent=30', '--max-semi-space-size=4'];
  return [
    ...flags,
    here.endsWith('.ts') ? join(dirname(here), '../../../lifecycle/src/main.ts') : join(dirname(here), 'berth-lifecycle.js'),
  ];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

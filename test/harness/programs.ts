// Runs programs and keeps what they said. Every test that drives a command line goes through here.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** Where setup unpacks Debian's packages. */
export const DEBIAN = join(ROOT, '.cache', 'debian');

export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env?: NodeJS.ProcessEnv;
  input?: string | Buffer;
  /** Milliseconds; the program is killed after them, which a test sees as exit code -1. */
  timeout?: number;
  cwd?: string;
}

/** A program of Debian's packages: where setup unpacked it, or the machine's own. */
export function program(name: string): string {
  for (const directory of ['usr/bin', 'usr/sbin', 'bin', 'sbin']) {
    const path = join(DEBIAN, directory, name);
    if (existsSync(path)) return path;
  }
  return name;
}

/** The docker client: the machine's own (28.2 where there is one), else Debian's. */
export function dockerClient(): string {
  return process.env.BERTH_TEST_DOCKER ?? (existsSync('/usr/local/bin/docker') ? '/usr/local/bin/docker' : program('docker'));
}

export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: options.env ?? process.env, cwd: options.cwd });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk) => stdout.push(chunk));
    child.stderr.on('data', (chunk) => stderr.push(chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeout ?? 60_000);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? -1, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    });
    child.stdin.on('error', () => {
      // A program may end before it has read everything.
    });
    child.stdin.end(options.input);
  });
}

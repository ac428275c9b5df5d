// binary: URIs: a logging program of the user's (containerd's convention). It reads the output from descriptors 3 (stdout) and 4
// (stderr), closes 5 when it is ready, and knows the container by CONTAINER_ID and CONTAINER_NAMESPACE.
import { closeSync, openSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { createPipe, waitReadable } from '@berth/sys/pipe';
import { startProgram } from '@berth/sys/program';

export interface LoggingProgram {
  path: string;
  args: readonly string[];
}

export interface LoggedContainer {
  namespace: string;
  id: string;
}

/** Milliseconds that a program has to get ready. Nothing else can happen before its container is there, so the wait blocks. */
const READY = 10_000;

/** Starts the program; returns the ends that the output is to be written to. Whoever reaps children reaps it too. */
export function startLogger({ path, args }: LoggingProgram, { namespace, id }: LoggedContainer): { stdout: number; stderr: number } {
  using undo = new DisposableStack();
  using ready = new DisposableStack();
  const [outRead, stdout] = createPipe();
  const [errRead, stderr] = createPipe();
  const [readyRead, readyWrite] = createPipe();
  ready.adopt(readyRead, closeSync);
  for (const fd of [stdout, stderr]) undo.adopt(fd, closeSync);
  const nowhere = openSync('/dev/null', 'r+');
  const env = { ...process.env, CONTAINER_ID: id, CONTAINER_NAMESPACE: namespace };
  const pid = startProgram({
    path,
    args: [path, ...args],
    env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    fds: [nowhere, nowhere, nowhere, outRead, errRead, readyWrite],
    cwd: '/',
  });
  for (const fd of [nowhere, outRead, errRead, readyWrite]) closeSync(fd);
  if (!waitReadable(readyRead, READY)) {
    process.kill(pid, 'SIGKILL');
    throw new EngineError('DeadlineExceeded', `the logging program ${path} did not get ready within ${READY / 1000} s`, { layer: 'shim' });
  }
  undo.move();
  return { stdout, stderr };
}

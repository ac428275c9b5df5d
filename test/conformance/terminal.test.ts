// Terminals: console-socket, its size, /dev/console, and processes of exec.
import assert from 'node:assert/strict';
import { closeSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { acceptUnix, listenUnix, receiveWithFds } from '@berth/sys/fd-passing';
import { POLLIN, poll } from '@berth/sys/namespace';
import { getWindowSize } from '@berth/sys/pty';
import { conformance } from './suite.ts';

/** Everything that comes out of a terminal until its other side is closed. */
function readAll(master: number): string {
  const buffer = Buffer.alloc(4096);
  let text = '';
  for (;;) {
    try {
      const length = readSync(master, buffer);
      if (length === 0) return text;
      text += buffer.toString('utf8', 0, length);
    } catch {
      // EIO: the last descriptor of the slave is closed.
      return text;
    }
  }
}

function receiveMaster(socket: number): number {
  assert.ok(poll(socket, POLLIN, 5000), 'nobody connects');
  const connection = acceptUnix(socket);
  const { fds } = receiveWithFds(connection, 4096);
  closeSync(connection);
  assert.equal(fds.length, 1);
  return fds[0] ?? -1;
}

conformance("the master of a container's terminal comes through the console socket", (laboratory) => {
  const path = join(laboratory.directory, 'console.sock');
  const socket = listenUnix(path);
  const bundle = laboratory.bundle(
    'tty; stty size; test -t 0 && test -t 2 && echo all; echo console >/dev/console; echo job >/dev/tty',
    (spec) => {
      if (!spec.process) return;
      spec.process.terminal = true;
      spec.process.consoleSize = { height: 33, width: 77 };
    },
  );
  const id = laboratory.id();
  const created = laboratory.runtime(['create', '-b', bundle, '--console-socket', path, id]);
  assert.equal(created.code, 0, created.stderr);
  const master = receiveMaster(socket);
  assert.deepEqual(getWindowSize(master), { rows: 33, columns: 77 });
  laboratory.runtime(['start', id]);
  assert.deepEqual(readAll(master).trim().split('\r\n'), ['/dev/pts/0', '33 77', 'all', 'console', 'job']);
  closeSync(master);
  closeSync(socket);
});

conformance('exec has a terminal of its own', (laboratory) => {
  const path = join(laboratory.directory, 'console.sock');
  const socket = listenUnix(path);
  const id = laboratory.background();
  const result = laboratory.runtime(['exec', '--tty', '--detach', '--console-socket', path, id, 'sh', '-c', 'tty; echo ahoy']);
  assert.equal(result.code, 0, result.stderr);
  const master = receiveMaster(socket);
  assert.equal(readAll(master), '/dev/pts/0\r\nahoy\r\n');
  closeSync(master);
  closeSync(socket);
});

conformance(
  'a terminal needs somebody to take it',
  (laboratory) => {
    const bundle = laboratory.bundle('true', (spec) => {
      if (spec.process) spec.process.terminal = true;
    });
    assert.match(
      laboratory.runtime(['create', '-b', bundle, laboratory.id()]).stderr,
      /cannot allocate tty if runc will detach without setting console socket/,
    );
  },
  { crun: 'crun words its errors in its own way' },
);

conformance(
  "in the foreground the terminal is the runtime's own streams",
  (laboratory) => {
    const bundle = laboratory.bundle('tty; read line; echo got $line; exit 3', (spec) => {
      if (spec.process) spec.process.terminal = true;
    });
    const result = laboratory.runtime(['run', '-b', bundle, laboratory.id()], { input: 'cargo\n' });
    assert.equal(result.code, 3, result.stderr);
    // The terminal echoes the line when it comes, before or after what tty says.
    assert.match(result.stdout.replace('cargo\r\n', ''), /^\/dev\/pts\/0\r\ngot cargo\r\n$/);
  },
  { runc: 'runc wants a terminal itself', crun: 'crun wants a terminal itself' },
);

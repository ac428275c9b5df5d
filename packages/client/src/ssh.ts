// ssh:// endpoints: `ssh HOST docker system dial-stdio` carries the daemon's socket over standard input and output, as docker's own
// client does. BERTH_REMOTE_COMMAND names another program on the remote host (`berth`). What speaks HTTP reaches it through a socket in a
// directory of this process' own, one ssh a connection: Bun's HTTP client takes no streams.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';

/** `onExit` gets ssh's exit code when it was not 0. */
export function dialOverSsh(url: URL, onExit: (code: number) => void = () => {}): Duplex {
  const args = ['-o', 'ConnectTimeout=30', '-T'];
  if (url.username) args.push('-l', decodeURIComponent(url.username));
  if (url.port) args.push('-p', url.port);
  const program = process.env.BERTH_REMOTE_COMMAND ?? 'docker';
  // ssh://host/path/to.sock is a daemon's socket over there.
  const socket = url.pathname.length > 1 ? ['--host', `unix://${decodeURIComponent(url.pathname)}`] : [];
  args.push('--', url.hostname, program, ...socket, 'system', 'dial-stdio');
  const child = spawn('ssh', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const duplex = Duplex.from({ readable: child.stdout, writable: child.stdin });
  child.on('error', (error) => duplex.destroy(error));
  child.on('exit', (code) => {
    if (code) onExit(code);
  });
  duplex.on('close', () => child.kill());
  return duplex;
}

export class SshBridge implements Disposable {
  readonly path: string;
  /** Why the last connection failed; '' when none did. */
  failure = '';
  readonly #server: Server;
  readonly #directory: string;

  private constructor(server: Server, directory: string) {
    this.#server = server;
    this.#directory = directory;
    this.path = join(directory, 'engine.sock');
  }

  static async open(url: URL): Promise<SshBridge> {
    const directory = mkdtempSync(join(tmpdir(), 'berth-ssh-'));
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const remote = dialOverSsh(url, (code) => {
        bridge.failure = `ssh ended with ${code}: is the host in reach, and docker or berth on it?`;
      });
      // An end goes through by itself; a failure has to be told.
      remote.on('error', (error) => {
        bridge.failure = error.message;
        client.destroy();
      });
      client.on('error', () => remote.destroy());
      client.pipe(remote).pipe(client);
    });
    const bridge = new SshBridge(server, directory);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(bridge.path, resolve);
    });
    server.unref();
    return bridge;
  }

  [Symbol.dispose](): void {
    this.#server.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

// ssh:// endpoints: `ssh HOST docker system dial-stdio` carries the daemon's socket over standard input and output, as docker's own
// client does. BERTH_REMOTE_COMMAND names another program on the remote host (`berth`).
import { spawn } from 'node:child_process';
import { Duplex } from 'node:stream';

export function dialOverSsh(url: URL): Duplex {
  const args = ['-o', 'ConnectTimeout=30', '-T'];
  if (url.username) args.push('-l', decodeURIComponent(url.username));
  if (url.port) args.push('-p', url.port);
  args.push('--', url.hostname, process.env.BERTH_REMOTE_COMMAND ?? 'docker', 'system', 'dial-stdio');
  const child = spawn('ssh', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const duplex = Duplex.from({ readable: child.stdout, writable: child.stdin });
  child.on('error', (error) => duplex.destroy(error));
  duplex.on('close', () => child.kill());
  return duplex;
}

// A listening unix socket's file: left by a service that was killed it is in the way, of a living one it must not be touched.
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { answers } from '@berth/sys/socket-probe';

/** Makes room for a socket at `path`. FailedPrecondition when it is something else, or somebody serves there. */
export async function claimSocket(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  if (!existsSync(path)) return;
  if (!lstatSync(path).isSocket()) {
    throw new EngineError('FailedPrecondition', `${path} exists and is not a socket; choose another --address`, { layer: 'lifecycle' });
  }
  if (await answers(path)) {
    throw new EngineError('FailedPrecondition', `the socket ${path} is in use by another service; stop it or choose another --address`, {
      layer: 'lifecycle',
    });
  }
  rmSync(path, { force: true });
}

/**
 * For root alone, or for the user and group that the configuration names: whoever may talk to this service is as good as root on the
 * machine.
 */
export function protectSocket(path: string, { uid, gid }: { uid: number; gid: number }): void {
  chmodSync(path, gid === 0 ? 0o600 : 0o660);
  if (uid !== 0 || gid !== 0) chownSync(path, uid, gid);
}

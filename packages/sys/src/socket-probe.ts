// Whether a unix socket's file is more than what a process that died left behind.
import { connect } from 'node:net';

/** Whether somebody serves on the socket at `path`; false for one that nobody listens on, and where there is none. */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
}

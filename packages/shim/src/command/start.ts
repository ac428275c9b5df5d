// `start`: leaves a serving shim behind, prints where it serves, and ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { EngineError } from '@berth/errdefs/engine-error';
import { SHIM_NODE_FLAGS, shimProgram } from '../zygote/programs.ts';
import type { ShimParameters, ZygoteReply } from '../zygote/protocol.ts';

export async function startShim({ shim, maxVersion }: { shim: ShimParameters; maxVersion: number }): Promise<void> {
  const child = spawn(process.execPath, [...SHIM_NODE_FLAGS, shimProgram(), 'serve'], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const channel = child.stdio[3] as Socket;
  channel.write(`${JSON.stringify(shim)}\n`);
  const lines = createInterface({ input: channel })[Symbol.asyncIterator]();
  const answer = await Promise.race([lines.next(), once(child, 'error').then(([error]) => Promise.reject(error))]);
  if (answer.done) throw new EngineError('Internal', 'the shim ended before it served; see shim.log in the bundle', { layer: 'shim' });
  const reply = JSON.parse(answer.value) as ZygoteReply;
  if (!reply.ok || !reply.bootstrap)
    throw new EngineError('Internal', reply.ok ? 'the shim named no address' : reply.error, { layer: 'shim' });
  const address = `unix://${reply.bootstrap.address}`;
  const { protocol, version, pid } = reply.bootstrap;
  process.stdout.write(maxVersion >= 3 ? JSON.stringify({ version, address, protocol, pid }) : address);
  channel.destroy();
  child.unref();
}

// `start`: leaves a serving shim behind, prints where it serves, and ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import type { Socket } from 'node:net';
import { EngineError } from '@berth/errdefs/engine-error';
import { sealedProgram } from '@berth/sys/sealed-program';
import { answers } from '@berth/sys/socket-probe';
import { groupOf } from '../group.ts';
import { socketPath } from '../shim.ts';
import { SHIM_NODE_FLAGS, shimProgram } from '../zygote/programs.ts';
import type { ShimBootstrap, ShimParameters } from '../zygote/protocol.ts';
import { UnassignedShim } from '../zygote/unassigned-shim.ts';

export async function startShim({ shim: asked, maxVersion }: { shim: ShimParameters; maxVersion: number }): Promise<void> {
  const group = groupOf(asked.bundle);
  const shim = group === undefined ? asked : { ...asked, group };
  const shared = socketPath(shim);
  if (group !== undefined && (await answers(shared))) {
    print({ address: shared, protocol: 'ttrpc', version: 3 }, maxVersion);
    return;
  }
  // Its forks become containers' processes, which must not be able to write to it (CVE-2019-5736).
  using node = await sealedProgram(realpathSync(process.execPath), 'berth-shim');
  const child = spawn(node.path, [...SHIM_NODE_FLAGS, shimProgram(), 'serve'], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const channel = child.stdio[3] as Socket;
  const failed = once(child, 'error').then(([error]) => Promise.reject(error));
  const assigned = await Promise.race([new UnassignedShim(child.pid ?? 0, channel).assign(shim, async () => {}), failed]);
  if (!assigned) throw new EngineError('Internal', 'the shim ended before it served; see shim.log in the bundle', { layer: 'shim' });
  print(assigned.bootstrap, maxVersion);
  assigned.client.close();
  child.unref();
}

function print({ address, ...rest }: Omit<ShimBootstrap, 'pid'>, maxVersion: number): void {
  const url = `unix://${address}`;
  process.stdout.write(maxVersion >= 3 ? JSON.stringify({ ...rest, address: url }) : url);
}

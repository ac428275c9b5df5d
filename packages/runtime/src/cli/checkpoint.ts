// berth-runtime checkpoint: saves a running container into images; unless told otherwise it is gone then.
import { fstatSync } from 'node:fs';
import { loadContainer } from '../container.ts';
import { type Arguments, numberOf, onlyId, textOf, usage } from './arguments.ts';
import type { Command } from './command.ts';
import { CRIU_FLAGS, criuOptions } from './criu-flags.ts';

export const checkpoint: Command = {
  usage: '[options] ID',
  help: 'save a running container',
  flags: {
    ...CRIU_FLAGS,
    'parent-path': { kind: 'value', help: 'directory of the checkpoint before, relative to --image-path' },
    'leave-running': { kind: 'flag', help: 'let the container go on' },
    'pre-dump': { kind: 'flag', help: 'save the memory only and let the container go on' },
    'tcp-skip-in-flight': { kind: 'flag', help: 'leave out TCP connections that are being made' },
    'link-remap': { kind: 'flag', help: 'link files back that have been removed, where possible' },
    'page-server': { kind: 'value', help: 'ADDRESS:PORT of a criu that takes the memory' },
    'status-fd': { kind: 'value', help: 'descriptor that gets \\0 when lazy pages can be served' },
  },
  run(parsed, settings) {
    const container = loadContainer(settings.root, onlyId(parsed, 'checkpoint'));
    const leaveRunning = parsed.flags.has('leave-running');
    const preDump = parsed.flags.has('pre-dump');
    container.checkpoint({
      ...criuOptions(parsed, settings),
      parentPath: textOf(parsed, 'parent-path') || undefined,
      leaveRunning,
      preDump,
      tcpSkipInFlight: parsed.flags.has('tcp-skip-in-flight'),
      linkRemap: parsed.flags.has('link-remap'),
      pageServer: pageServer(textOf(parsed, 'page-server')),
      statusFd: statusFd(parsed),
    });
    if (!leaveRunning && !preDump) container.delete({ force: true });
    return 0;
  },
};

function pageServer(text: string | undefined): { address: string; port: number } | undefined {
  if (!text) return undefined;
  const [, address, digits] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(text) ?? [];
  const port = Number(digits);
  if (address === undefined) throw usage('Use --page-server ADDRESS:PORT to specify page server');
  if (port < 1 || port > 65_535) throw usage('Invalid port number');
  return { address, port };
}

/** Checked before anything is done: nobody else would tell that waits for the byte. */
function statusFd(parsed: Arguments): number | undefined {
  const fd = numberOf(parsed, 'status-fd');
  if (fd === undefined || fd === -1) return undefined;
  try {
    fstatSync(fd);
  } catch (error) {
    throw usage(`invalid --status-fd argument ${fd}: ${(error as Error).message}`);
  }
  return fd;
}

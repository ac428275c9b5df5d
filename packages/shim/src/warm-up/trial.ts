// A shim that the zygote forks to learn which pages of its memory a shim touches: the next ones have them touched before anybody needs
// them (sys/touched-pages.ts). Another fork drives it, for the zygote has no event loop any more.
import { closeSync, readSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { TtrpcClient } from '@berth/rpc/ttrpc/client';
import { adoptEventLoop, exitNow, fork } from '@berth/sys/fork';
import { createPipe, waitReadable } from '@berth/sys/pipe';
import { type PageRange, touchedPages } from '@berth/sys/touched-pages';
import { type Footprint, forkShim } from '../zygote/fork-shim.ts';
import { driveShim } from './warm-up.ts';

export const UNKNOWN: Footprint = { shim: [], init: [] };

const TITLE = 'berth-trial';
/** Milliseconds for the whole life; it takes some thirty. */
const PATIENCE = 2000;

/** 'child' in the forked children, whose caller must return to the event loop at once. None: it failed, and shims learn by doing. */
export function tryShim(inherited: readonly number[]): Footprint | 'child' {
  const shim = forkShim({ title: TITLE, inherited, ahead: UNKNOWN });
  if (shim.role === 'child') return 'child';
  const [learned, report] = createPipe();
  const driver = fork();
  if (driver === 0) {
    adoptEventLoop();
    for (const fd of [learned, ...inherited]) closeSync(fd);
    drive(shim, report);
    return 'child';
  }
  for (const fd of [report, shim.fd]) closeSync(fd);
  const text = readAll(learned, performance.now() + PATIENCE);
  closeSync(learned);
  if (text !== '') return JSON.parse(text) as Footprint;
  try {
    // With it goes the connection that the shim waits at.
    process.kill(driver, 'SIGKILL');
  } catch {
    // Gone already; the zygote's children leave no zombies.
  }
  return UNKNOWN;
}

function drive({ pid, fd }: { pid: number; fd: number }, report: number): void {
  process.title = TITLE;
  const client = new TtrpcClient(new Socket({ fd }));
  let init: PageRange[] = [];
  const created = (initPid: number) => {
    init = touchedPages(initPid);
  };
  const lived = () => tell(report, { shim: touchedPages(pid), init });
  driveShim(client, created, lived).then(
    () => exitNow(0),
    () => exitNow(1),
  );
}

function tell(fd: number, footprint: Footprint): void {
  const bytes = Buffer.from(JSON.stringify(footprint));
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  closeSync(fd);
}

/** Until the other end is closed. */
function readAll(fd: number, deadline: number): string {
  const chunk = Buffer.allocUnsafe(64 * 1024);
  let text = '';
  for (;;) {
    if (!waitReadable(fd, Math.max(0, deadline - performance.now()))) return '';
    const length = readSync(fd, chunk);
    if (length === 0) return text;
    text += chunk.toString('latin1', 0, length);
  }
}

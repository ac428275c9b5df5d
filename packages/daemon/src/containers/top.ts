// `GET /containers/{id}/top`: the processes of a container as `ps` on the host would show them, read from /proc: no ps is run.
// `-ef` (the default) and `aux` have their columns; other options get the default's.
import { readFileSync } from 'node:fs';
import type { ContainerTopResponse } from '@berth/api/container';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Span } from '@berth/trace/tracer';
import { traced } from '../lifecycle/lifecycle.ts';
import type { Container } from './container.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';

interface ProcessFacts {
  pid: number;
  ppid: number;
  uid: number;
  state: string;
  tty: string;
  /** Clock ticks. */
  cpuTicks: number;
  startTicks: number;
  /** KiB. */
  virtual: number;
  resident: number;
  command: string;
}

/** USER_HZ is 100 on every architecture that Linux has. */
const TICKS = 100;

export async function topContainer(
  context: ContainerContext,
  container: Container,
  psArgs: string,
  span: Span,
): Promise<ContainerTopResponse> {
  if (container.restarting) {
    throw new EngineError('Conflict', `container ${container.id} is restarting, wait until the container is running`, { layer: 'daemon' });
  }
  if (!container.running) throw new EngineError('Conflict', `container ${container.id} is not running`, { layer: 'daemon' });
  emitContainerEvent(context, container, 'top');
  const { processes } = await context.lifecycle.tasks.listPids({ containerId: container.id }, traced(span));
  const users = userNames();
  const facts = processes.flatMap(({ pid }) => readProcess(pid) ?? []).sort((a, b) => a.pid - b.pid);
  return /^-?\w*a?u\w*x?$/.test(psArgs) && psArgs.includes('u') && !psArgs.includes('f')
    ? userTable(facts, users)
    : fullTable(facts, users);
}

function fullTable(processes: readonly ProcessFacts[], users: ReadonlyMap<number, string>): ContainerTopResponse {
  return {
    Titles: ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'],
    Processes: processes.map((one) => [
      users.get(one.uid) ?? String(one.uid),
      String(one.pid),
      String(one.ppid),
      String(Math.floor(cpuPercent(one))),
      startText(one),
      one.tty,
      timeText(one, true),
      one.command,
    ]),
  };
}

function userTable(processes: readonly ProcessFacts[], users: ReadonlyMap<number, string>): ContainerTopResponse {
  const total = Number(/^MemTotal:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 1);
  return {
    Titles: ['USER', 'PID', '%CPU', '%MEM', 'VSZ', 'RSS', 'TTY', 'STAT', 'START', 'TIME', 'COMMAND'],
    Processes: processes.map((one) => [
      users.get(one.uid) ?? String(one.uid),
      String(one.pid),
      cpuPercent(one).toFixed(1),
      ((one.resident * 100) / total).toFixed(1),
      String(one.virtual),
      String(one.resident),
      one.tty,
      one.state,
      startText(one),
      timeText(one, false),
      one.command,
    ]),
  };
}

/** Undefined when it has ended meanwhile. */
function readProcess(pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0+$/, '').replaceAll('\0', ' ');
    // The name may hold blanks and brackets: the fields begin after the last bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const field = (number: number) => Number(fields[number - 3]);
    return {
      pid,
      ppid: field(4),
      uid: Number(/^Uid:\s+(\d+)/m.exec(status)?.[1] ?? 0),
      state: fields[0] ?? '?',
      tty: ttyName(field(7)),
      cpuTicks: field(14) + field(15),
      startTicks: field(22),
      virtual: Math.floor(field(23) / 1024),
      resident: field(24) * 4,
      command: command || `[${stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))}]`,
    };
  } catch {
    return undefined;
  }
}

function ttyName(device: number): string {
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  if (device === 0) return '?';
  return major >= 136 && major < 144 ? `pts/${(major - 136) * 256 + minor}` : `tty${minor}`;
}

function uptime(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
}

function cpuPercent(one: ProcessFacts): number {
  const lived = uptime() - one.startTicks / TICKS;
  return lived > 0 ? Math.min(99.9, (one.cpuTicks / TICKS / lived) * 100) : 0;
}

/** The time of day for what started today, else the date. */
function startText(one: ProcessFacts): string {
  const started = new Date(Date.now() - (uptime() - one.startTicks / TICKS) * 1000);
  const today = new Date().toDateString() === started.toDateString();
  return today ? started.toTimeString().slice(0, 5) : started.toDateString().slice(4, 10).replace(' ', '');
}

function timeText(one: ProcessFacts, hours: boolean): string {
  const seconds = Math.floor(one.cpuTicks / TICKS);
  const two = (value: number) => String(value).padStart(2, '0');
  if (!hours) return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

function userNames(): ReadonlyMap<number, string> {
  try {
    const rows = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'));
    return new Map(rows.flatMap(([name, , uid]) => (name && uid ? [[Number(uid), name] as const] : [])));
  } catch {
    return new Map();
  }
}

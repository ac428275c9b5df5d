// What /proc tells of one process (proc(5)): what `top` shows columns of.
import { readFileSync } from 'node:fs';

export interface ProcessFacts {
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
  threads: number;
  nice: number;
  /** The program's name, at most 15 bytes. */
  name: string;
  command: string;
}

/** Undefined when it has ended meanwhile. */
export function readProcess(pid: number): ProcessFacts | undefined {
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
      nice: field(19),
      threads: field(20),
      name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')),
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

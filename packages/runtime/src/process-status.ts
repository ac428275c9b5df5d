// Whether a process is alive, and still the same one: /proc/<pid>/stat (proc_pid_stat(5)). A pid is reused, its start time is not.
import { readFileSync } from 'node:fs';

export interface ProcessStatus {
  /** R, S, D, T, t, Z, X, I. */
  state: string;
  /** Clock ticks since boot. */
  startTime: number;
}

/** Undefined when there is no such process. */
export function processStatus(pid: number): ProcessStatus | undefined {
  let line: string;
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The second field is the name in parentheses, and may hold anything.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? 'X', startTime: Number(fields[19]) };
}

/** Zombies are dead. */
export function isAlive(pid: number, startTime: number): boolean {
  const status = processStatus(pid);
  return status !== undefined && status.startTime === startTime && status.state !== 'Z' && status.state !== 'X';
}

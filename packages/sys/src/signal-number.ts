// Signals by the names that people type (signal(7)): `KILL`, `SIGKILL`, `sigkill`, `9`, `RTMIN+3`, `SIGRTMAX-1`. Pure.
import { constants } from 'node:os';

const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** Undefined for what is no signal; 0, which only asks whether a process is there, is one. */
export function signalNumber(text: string): number | undefined {
  const number = /^\d+$/.test(text) ? Number(text) : named(text.toUpperCase().replace(/^SIG/, ''));
  return number === undefined || number > SIGRTMAX ? undefined : number;
}

function named(name: string): number | undefined {
  const realtime = /^RTM(IN|AX)(?:([+-])(\d+))?$/.exec(name);
  if (!realtime) return (constants.signals as Record<string, number>)[`SIG${name}`];
  const offset = Number(realtime[3] ?? 0) * (realtime[2] === '-' ? -1 : 1);
  const number = (realtime[1] === 'IN' ? SIGRTMIN : SIGRTMAX) + offset;
  return number >= SIGRTMIN ? number : undefined;
}

// Options of ps(1) that say which columns it prints, and the columns: `-ef`, `aux`, `-o NAME,…` and what people write like them. Which
// processes are meant (-e, -A, ax) makes no difference here: it is a container's, all of them.
import { readFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { ProcessFacts } from './process-facts.ts';

export interface PsColumn {
  title: string;
  value(one: ProcessFacts): string;
}

/** USER_HZ is 100 on every architecture that Linux has. */
const TICKS = 100;

const column = (title: string, value: PsColumn['value']): PsColumn => ({ title, value });
const started = column('STIME', startText);
const user = column('USER', ({ uid }) => userName(uid));
const time = column('TIME', (one) => timeText(one, true));
const command = column('CMD', ({ command }) => command);

/** By the names that -o takes. */
const COLUMNS: Record<string, PsColumn> = {
  pid: column('PID', ({ pid }) => String(pid)),
  ppid: column('PPID', ({ ppid }) => String(ppid)),
  uid: column('UID', ({ uid }) => String(uid)),
  user,
  euser: column('EUSER', user.value),
  ruser: column('RUSER', user.value),
  c: column('C', (one) => String(Math.floor(cpuPercent(one)))),
  pcpu: column('%CPU', (one) => cpuPercent(one).toFixed(1)),
  '%cpu': column('%CPU', (one) => cpuPercent(one).toFixed(1)),
  pmem: column('%MEM', (one) => memoryPercent(one)),
  '%mem': column('%MEM', (one) => memoryPercent(one)),
  vsz: column('VSZ', ({ virtual }) => String(virtual)),
  vsize: column('VSZ', ({ virtual }) => String(virtual)),
  rss: column('RSS', ({ resident }) => String(resident)),
  tty: column('TT', ({ tty }) => tty),
  tt: column('TT', ({ tty }) => tty),
  tname: column('TTY', ({ tty }) => tty),
  stat: column('STAT', ({ state }) => state),
  state: column('S', ({ state }) => state),
  s: column('S', ({ state }) => state),
  stime: started,
  start: column('STARTED', startText),
  start_time: column('START', startText),
  etimes: column('ELAPSED', (one) => String(Math.floor(lived(one)))),
  time,
  cputime: time,
  ni: column('NI', ({ nice }) => String(nice)),
  nice: column('NI', ({ nice }) => String(nice)),
  nlwp: column('NLWP', ({ threads }) => String(threads)),
  thcount: column('THCNT', ({ threads }) => String(threads)),
  comm: column('COMMAND', ({ name }) => name),
  ucmd: column('CMD', ({ name }) => name),
  args: column('COMMAND', command.value),
  cmd: command,
  command: column('COMMAND', command.value),
};

const named = (...names: string[]) => names.map((name) => COLUMNS[name] as PsColumn);
const FULL = [column('UID', user.value), ...named('pid', 'ppid', 'c', 'stime', 'tname', 'time', 'cmd')];
const USER = [
  ...named('user', 'pid', '%cpu', '%mem', 'vsz', 'rss', 'tname', 'stat', 'start_time'),
  column('TIME', (one) => timeText(one, false)),
  ...named('args'),
];
const PLAIN = named('pid', 'tname', 'time', 'ucmd');

/** The columns that these options ask for; the default's when there are none. */
export function psColumns(options: string): PsColumn[] {
  const words = options.split(/\s+/).filter((word) => word !== '');
  const chosen: PsColumn[] = [];
  let letters = '';
  for (let at = 0; at < words.length; at++) {
    const [, group = '', list] = /^-?([A-Za-z]*?)(?:o(.*))?$/.exec(words[at] as string) ?? [undefined, '?'];
    if (!/^[eAadfuxwg]*$/.test(group)) throw unknown(options, words[at] as string);
    letters += group;
    if (list === undefined) continue;
    const names = list || words[++at];
    if (names === undefined) throw unknown(options, 'o');
    chosen.push(...names.split(',').map((name) => custom(options, name)));
  }
  if (chosen.length === 0) return letters.includes('u') ? USER : letters.includes('f') || words.length === 0 ? FULL : PLAIN;
  // Clients and scripts find processes by it, as docker itself does.
  if (!chosen.some(({ title }) => title === 'PID')) throw refuse("Couldn't find PID field in ps output");
  return chosen;
}

/** `name` or `name=Title`. */
function custom(options: string, text: string): PsColumn {
  const [name = '', title] = text.split('=') as [string, string?];
  const found = Object.hasOwn(COLUMNS, name.toLowerCase()) ? COLUMNS[name.toLowerCase()] : undefined;
  if (!found) throw unknown(options, name);
  return title === undefined ? found : { ...found, title };
}

function unknown(options: string, word: string): EngineError {
  return refuse(`ps options ${JSON.stringify(options)}: ${JSON.stringify(word)} is not known: use -ef, aux, or -o with names of columns`);
}

function refuse(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'daemon' });
}

function uptime(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
}

function lived(one: ProcessFacts): number {
  return uptime() - one.startTicks / TICKS;
}

function cpuPercent(one: ProcessFacts): number {
  const seconds = lived(one);
  return seconds > 0 ? Math.min(99.9, (one.cpuTicks / TICKS / seconds) * 100) : 0;
}

function memoryPercent(one: ProcessFacts): string {
  const total = Number(/^MemTotal:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 1);
  return ((one.resident * 100) / total).toFixed(1);
}

/** The time of day for what started today, else the date. */
function startText(one: ProcessFacts): string {
  const started = new Date(Date.now() - lived(one) * 1000);
  const today = new Date().toDateString() === started.toDateString();
  return today ? started.toTimeString().slice(0, 5) : started.toDateString().slice(4, 10).replace(' ', '');
}

function timeText(one: ProcessFacts, hours: boolean): string {
  const seconds = Math.floor(one.cpuTicks / TICKS);
  const two = (value: number) => String(value).padStart(2, '0');
  if (!hours) return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** The host's name of a user, as ps there would say it. */
function userName(uid: number): string {
  try {
    const rows = readFileSync('/etc/passwd', 'utf8').split('\n');
    return rows.find((row) => row.split(':')[2] === String(uid))?.split(':')[0] ?? String(uid);
  } catch {
    return String(uid);
  }
}

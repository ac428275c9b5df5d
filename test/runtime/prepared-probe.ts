// Runs in a process of its own, as a shim does: containers whose init was forked ahead (packages/runtime/src/prepared-init.ts) or, for
// comparison, when they were created. Prints one JSON line each: what its creator, and itself, see of it. `doomed` is a prepared init
// that is dead before it is used, `idle` one that is never used.
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createContainer } from '@berth/runtime/container';
import type { MountPoint } from '@berth/runtime/container-options';
import { prepareInit } from '@berth/runtime/prepared-init';
import { setChildSubreaper } from '@berth/sys/process';
import { waitpid } from '@berth/sys/wait';
import { type SpanRecord, Tracer } from '@berth/trace/tracer';

export interface Birth {
  bundle: string;
  id: string;
  way: 'fork' | 'prepared' | 'doomed' | 'idle';
  terminal?: boolean;
  preserveFds?: number;
  rootfsMounts?: MountPoint[];
}

export interface Seen {
  /** Its init was the prepared one. */
  prepared: boolean;
  error?: string;
  status?: number;
  /** By its creator, between create and start. */
  before?: Record<string, string>;
  output: string;
  /** Descriptors of the creator, and children of it, that were not there before. */
  leaked: number[];
}

const [root = '', births = '[]'] = process.argv.slice(2);
setChildSubreaper(true);
process.title = 'prepared-probe';
const nothing = openSync('/dev/null', 'r+');
for (const birth of JSON.parse(births) as Birth[]) {
  look(birth); // whatever is loaded or opened for the first time
  console.log(JSON.stringify(look(birth)));
}

function look({ bundle, id, way, terminal, preserveFds, rootfsMounts }: Birth): Seen {
  const spans: SpanRecord[] = [];
  const tracer = new Tracer('runtime', { write: (span) => void spans.push(span), flush() {} });
  mkdirSync(join(bundle, 'upper'), { recursive: true });
  const path = join(bundle, 'output');
  const output = openSync(path, 'w', 0o666);
  const before = held();
  const prepared = way === 'fork' ? undefined : prepareInit();
  const seen: Seen = { prepared: false, output: '', leaked: [] };
  const waiting = childrenOf(process.pid)[0];
  if (way === 'doomed' && waiting) process.kill(waiting, 'SIGKILL');
  if (way === 'idle') prepared?.[Symbol.dispose]();
  const span = tracer.start('test');
  try {
    const stdio = terminal ? { terminal: true as const } : { stdin: nothing, stdout: output, stderr: output };
    const container = createContainer({ id, bundle, root, stdio, preserveFds, rootfsMounts, span, prepared });
    seen.before = describe(container.pid);
    container.start();
    if (container.consoleMaster !== undefined) seen.output = readTerminal(container.consoleMaster);
    seen.status = waitpid(container.pid)?.status;
    container.delete();
  } catch (error) {
    seen.error = (error as Error).message;
  }
  span.end();
  const known = (text: string) => text.replaceAll(id, 'ID');
  seen.prepared = spans.some(({ name, attributes }) => name === 'fork' && attributes?.prepared === true);
  seen.output = known(seen.output + readFileSync(path, 'utf8'));
  if (seen.error) seen.error = known(seen.error);
  if (seen.before) seen.before = JSON.parse(known(JSON.stringify(seen.before)));
  seen.leaked = held().map((count, index) => count - (before[index] ?? 0));
  closeSync(output);
  return seen;
}

function held(): number[] {
  return [readdirSync('/proc/self/fd').length, childrenOf(process.pid).length];
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
}

function readTerminal(master: number): string {
  const buffer = Buffer.alloc(65_536);
  let text = '';
  try {
    for (;;) text += buffer.toString('utf8', 0, readSync(master, buffer));
  } catch {
    // EIO: nobody has the other side any more.
  }
  closeSync(master);
  return text;
}

/** Of a process, as its creator sees it; what differs from one to the other is left out, or said relative to the creator. */
function describe(pid: number): Record<string, string> {
  const at = `/proc/${pid}`;
  const file = (name: string) => {
    try {
      return readFileSync(join(at, name), 'latin1');
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? '';
    }
  };
  const namespaces = readdirSync(join(at, 'ns')).map((name) => {
    const shared = readlinkSync(join(at, 'ns', name)) === readlinkSync(`/proc/self/ns/${name}`);
    return `${name} ${shared ? 'shared' : 'own'}`;
  });
  const status = file('status')
    .split('\n')
    .filter((line) => !/^(Vm|Rss|HugetlbPages|voluntary|nonvoluntary|NSsid|NSpgid|Tgid|Pid|Ngid|FDSize|SigQ|x86_|State)/.test(line));
  const parts = file('stat').split(' ');
  const text: Record<string, string> = {
    status: status.join('\n').replace(/^(NSpid:)\t\d+/m, '$1'),
    isLeader: String(Number(parts[4]) === pid && Number(parts[5]) === pid),
    scheduling: parts.slice(17, 20).join(' '),
    namespaces: namespaces.join('\n'),
    owner: String(statSync(at).uid),
  };
  for (const name of ['cmdline', 'comm', 'cgroup', 'limits', 'oom_score_adj', 'coredump_filter', 'loginuid', 'sessionid', 'timerslack_ns'])
    text[name] = file(name);
  for (const name of ['personality', 'attr/current', 'attr/exec', 'uid_map', 'setgroups', 'timens_offsets', 'cpuset'])
    text[name] = file(name);
  return Object.fromEntries(Object.entries(text).map(([name, value]) => [name, value.replace(new RegExp(`\\b${pid}\\b`, 'g'), 'PID')]));
}

// Whether forking works here at all: the zygote must have no thread that a child would miss, and a forked child must run timers,
// collect garbage and leave. A zygote that fails says so, and its client starts shims as programs instead.
import { closeSync, readdirSync, readFileSync } from 'node:fs';
import { adoptEventLoop, exitNow, fork } from '@berth/sys/fork';
import { createPipe, waitReadable } from '@berth/sys/pipe';
import { type Exit, waitpid } from '@berth/sys/wait';

/** Node's idle service threads; V8Worker is there, without work, whatever --single-threaded says. libuv-worker must not be. */
const HARMLESS = new Set(['DelayedTaskSche', 'V8Worker', 'SignalInspector']);
const PATIENCE = 5000;
const PASSED = 42;
const KEPT = 20;

/** What came of the test; 'child' in the forked child, whose caller must return to the event loop at once. */
export type Verdict = { outcome: 'fit' } | { outcome: 'unfit'; reason: string } | { outcome: 'child' };

/** Nothing of the test outlives it. */
export function selfTest(): Verdict {
  const reason = checkFlags() ?? unexpectedThread();
  return reason === undefined ? checkFork() : { outcome: 'unfit', reason };
}

function checkFlags(): string | undefined {
  const missing = ['--single-threaded', '--v8-pool-size=0'].filter((flag) => !process.execArgv.includes(flag));
  if (missing.length > 0) return `the zygote was started without ${missing.join(' ')}`;
  // V8 takes the last word.
  return process.execArgv.includes('--no-single-threaded') ? 'the zygote was started with --no-single-threaded' : undefined;
}

/** By name: fork() copies the calling thread alone, so a thread that holds a lock must not exist. */
export function unexpectedThread(): string | undefined {
  for (const task of readdirSync('/proc/self/task')) {
    if (Number(task) === process.pid) continue;
    const name = readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim();
    if (!HARMLESS.has(name)) return `the zygote has a thread "${name}" that a forked child would miss`;
  }
  return undefined;
}

function checkFork(): Verdict {
  const pid = fork();
  if (pid === 0) {
    adoptEventLoop();
    setTimeout(() => exitNow(churn() === KEPT ? PASSED : 1), 1);
    return { outcome: 'child' };
  }
  const exit = waitpid(pid, { noHang: true }) ?? waitAtMost(pid, PATIENCE);
  if (exit?.status === PASSED) return { outcome: 'fit' };
  if (!exit) return { outcome: 'unfit', reason: 'a forked child hung' };
  return { outcome: 'unfit', reason: `a forked child ended with ${exit.signal ? `signal ${exit.signal}` : `code ${exit.status}`}` };
}

/** Enough garbage for several collections of the young generation, and some that is promoted. */
function churn(): number {
  const kept: string[][] = [];
  for (let round = 0; round < 400; round++) kept[round % KEPT] = Array.from({ length: 1000 }, (_, index) => `${round}-${index}`);
  return kept.length;
}

function waitAtMost(pid: number, patience: number): Exit | undefined {
  const deadline = performance.now() + patience;
  const [idle, unused] = createPipe();
  try {
    while (performance.now() < deadline) {
      const exit = waitpid(pid, { noHang: true });
      if (exit) return exit;
      waitReadable(idle, 1); // a pause: nothing ever comes
    }
    process.kill(pid, 'SIGKILL');
    waitpid(pid);
    return undefined;
  } finally {
    closeSync(idle);
    closeSync(unused);
  }
}

// One probe: an exec in the container, its exit code and the first of its output. A probe that takes too long is killed.
import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { HealthLogEntry } from '@berth/api/container';
import { StdcopyDecoder } from '@berth/api/stdcopy';
import { toEngineError } from '@berth/errdefs/engine-error';
import type { Container } from '../containers/container.ts';
import type { ContainerContext } from '../containers/context.ts';
import type { ExecInstance } from '../exec/exec-instance.ts';
import type { Execs } from '../exec/execs.ts';
import type { HijackedStream } from '../server/hijack.ts';
import { nowText } from '../state/clock.ts';
import { goDuration, type HealthCheck } from './health-config.ts';

const SIGKILL = 9;
const OUTPUT_LIMIT = 4096;
/** What a probe left running in the background may hold its output open; nobody waits for that longer, ms. */
const OUTPUT_PATIENCE = 500;

/** Never throws: what goes wrong is the result. `signal` ends the probe early. */
export async function runProbe(
  context: ContainerContext,
  execs: Execs,
  container: Container,
  check: HealthCheck,
  signal: AbortSignal,
): Promise<HealthLogEntry> {
  using span = context.tracer.start('health check', undefined);
  const Start = nowText();
  const output = new ProbeOutput();
  try {
    const exec = execs.create(container, container.id, { Cmd: [...check.argv], AttachStdout: true, AttachStderr: true });
    container.record.state.probe = exec.id;
    container.save();
    const exited = once(exec.exits, 'exit').then(([code]) => code as number);
    execs.claim(exec.id);
    const complete = execs.start(exec, container, {}, output, span).then(() => exited);
    const ended = await inTime([complete, exited.then((code) => delay(OUTPUT_PATIENCE, code))], check.timeout, signal);
    if (ended === undefined) await killProbe(context, exec);
    output.end();
    const text = output.text;
    if (ended !== undefined) return { Start, End: nowText(), ExitCode: ended, Output: text };
    const late = `Health check exceeded timeout (${goDuration(check.timeout)})`;
    return { Start, End: nowText(), ExitCode: -1, Output: text ? `${late}: ${text}` : late };
  } catch (error) {
    return { Start, End: nowText(), ExitCode: -1, Output: toEngineError(error).message };
  } finally {
    delete container.record.state.probe;
  }
}

/** Ends what a former daemon was probing with when it died: nobody would ask for its exit code. */
export async function endForgottenProbe(context: ContainerContext, container: Container): Promise<void> {
  const execId = container.record.state.probe;
  if (execId === undefined) return;
  delete container.record.state.probe;
  const ids = { containerId: container.id, execId };
  const { tasks } = context.lifecycle;
  await tasks.kill({ ...ids, signal: SIGKILL }).catch(() => {});
  await tasks.wait(ids, { timeout: 5_000 }).catch(() => {});
  await tasks.deleteProcess(ids).catch(() => {});
}

/** The first exit code, or undefined when time is up. */
async function inTime(ways: readonly Promise<number>[], timeout: number, signal: AbortSignal): Promise<number | undefined> {
  const over = new AbortController();
  try {
    const limit = delay(timeout, undefined, { signal: AbortSignal.any([signal, over.signal]) }).catch(() => undefined);
    return await Promise.race([...ways, limit]);
  } finally {
    over.abort();
  }
}

async function killProbe(context: ContainerContext, exec: ExecInstance): Promise<void> {
  if (exec.phase === 'ended') return;
  await context.lifecycle.tasks.kill({ containerId: exec.containerId, execId: exec.id, signal: SIGKILL }).catch(() => {});
  await exec.exitKnown(2_000);
}

/** The client of a probe: nothing to say, and a memory of 4 KiB. */
class ProbeOutput implements HijackedStream {
  readonly input = Readable.from([]);
  readonly output: Writable;
  readonly closed: Promise<void>;
  #text = Buffer.alloc(0);
  #truncated = false;

  constructor() {
    const decoder = new StdcopyDecoder();
    this.output = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        for (const { payload } of decoder.push(chunk)) this.#keep(payload);
        done();
      },
    });
    this.closed = new Promise((resolve) => {
      this.output.once('close', resolve);
    });
  }

  get text(): string {
    return this.#text.toString('utf8') + (this.#truncated ? '...' : '');
  }

  end(): void {
    this.output.destroy();
  }

  #keep(payload: Uint8Array): void {
    const room = OUTPUT_LIMIT - this.#text.byteLength;
    if (payload.byteLength > room) this.#truncated = true;
    if (room > 0) this.#text = Buffer.concat([this.#text, payload.subarray(0, room)]);
  }
}

// Commands in running containers: create, start (attached or not), resize, inspect.
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { parseDetachKeys } from '@berth/api/detach-keys';
import type { ExecCreateRequest, ExecStartRequest } from '@berth/api/exec';
import { EngineError, isKind, toEngineError } from '@berth/errdefs/engine-error';
import type { Process } from '@berth/oci/runtime-spec';
import { PROCESS_TYPE, packJson } from '@berth/rpc/any';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import type { Span } from '@berth/trace/tracer';
import type { Container } from '../containers/container.ts';
import { attachSocket } from '../containers/container-directory.ts';
import { type ContainerContext, emitContainerEvent } from '../containers/context.ts';
import { capabilitiesOf } from '../containers/spec/capabilities.ts';
import { rlimits } from '../containers/spec/resources.ts';
import { parseSecurityOptions } from '../containers/spec/security.ts';
import { capabilitySets, consoleSize, environment, mergeEnvironment, userOf } from '../containers/spec/spec.ts';
import { resolveUser } from '../containers/spec/users.ts';
import { runtimeOf } from '../containers/task/runtime.ts';
import { isRuntimeError, runtimeExitCode, runtimeMessage } from '../containers/task/runtime-error.ts';
import { execStdioUris } from '../containers/task/stdio.ts';
import { openTaskIo } from '../containers/task/task-io.ts';
import { type AttachStreams, connectProcess, runAttachment } from '../io/attachment.ts';
import { traced } from '../lifecycle/lifecycle.ts';
import type { HijackedStream } from '../server/hijack.ts';
import { ExecInstance } from './exec-instance.ts';
import { type ExecTask, execTask } from './exec-task.ts';

const SIGKILL = 9;
/** The exit code of what SIGKILL ended. */
const KILLED = 128 + SIGKILL;
/** Milliseconds from the end of an exec to the clearing: its client has a last question, which goes first. */
const CLEAR_AFTER = 20;
/** Ended execs of one container that can still be inspected. */
const KEPT = 100;
/** Milliseconds. */
const DRAFT_LASTS = 500;

export class Execs {
  readonly #context: ContainerContext;
  readonly #byId = new Map<string, ExecInstance>();

  constructor(context: ContainerContext) {
    this.#context = context;
  }

  /** `reference`: what the client calls the container. */
  create(container: Container, reference: string, request: ExecCreateRequest): ExecInstance {
    requireRunning(container, reference);
    parseDetachKeys(request.DetachKeys ?? '');
    const exec = new ExecInstance(randomBytes(32).toString('hex'), container.id, request);
    this.#forgetOldest(container);
    this.#byId.set(exec.id, exec);
    container.execs.set(exec.id, exec);
    container.signals.once('removed', () => this.#byId.delete(exec.id));
    this.#emit(container, exec, 'exec_create');
    return exec;
  }

  /**
   * To be called when the creation is answered: until its client has sent the start, which nearly every one sends next, what the start
   * needs is got ready.
   */
  expectStart(exec: ExecInstance, container: Container): void {
    setImmediate(() => {
      if (exec.phase !== 'created' || !container.running) return;
      try {
        exec.draft = { spec: this.#pack(exec, container, undefined), at: performance.now() };
        if (runtimeOf(this.#context, container).attaches) void this.#context.shims.taskOf(container.id);
      } catch {
        // The start finds the same, and tells it.
      }
    });
  }

  /** Throws NotFound. */
  get(id: string): ExecInstance {
    const exec = this.#byId.get(id);
    if (!exec) throw new EngineError('NotFound', `No such exec instance: ${id}`, { layer: 'daemon' });
    return exec;
  }

  /** Checks that the exec can be started, and takes it: a second start is a conflict. */
  claim(id: string): { exec: ExecInstance; container: Container } {
    const exec = this.get(id);
    const container = this.#context.store.get(exec.containerId);
    if (exec.phase === 'ended') throw new EngineError('Conflict', `exec command ${id} has already run`, { layer: 'daemon' });
    if (exec.phase !== 'created') throw new EngineError('Conflict', `exec command ${id} is already running`, { layer: 'daemon' });
    requireRunning(container);
    exec.phase = 'starting';
    return { exec, container };
  }

  /** Runs a claimed exec; with `client`, resolves when its output is over or the client has left it. */
  async start(
    exec: ExecInstance,
    container: Container,
    options: ExecStartRequest,
    client: HijackedStream | undefined,
    span: Span,
  ): Promise<void> {
    const { request } = exec;
    const stdin = client !== undefined && request.AttachStdin === true;
    const terminal = request.Tty === true;
    const path = attachSocket(this.#context.config, exec.id);
    try {
      const spec = this.#spec(exec, container, options);
      const uris = execStdioUris(this.#context.config, exec.id, { stdin, terminal, attached: client !== undefined });
      const io = openTaskIo(this.#context, container, uris, { execId: exec.id, terminal });
      exec.io = io;
      const task = await execTask(this.#context, container, exec.id);
      const registered = span.during('exec', (child) => task.register({ ...io.names, terminal, spec }, child));
      const start = () => span.during('start exec', (child) => task.start(child));
      // Requests of one ttrpc connection arrive in order, so the start need not wait for the registration's answer.
      const started = task.ordered ? start() : undefined;
      started?.catch(() => {
        // Told below; or the registration failed, and then that is the error.
      });
      task.exit()?.then(
        (exitCode) => void exec.exited(exitCode),
        (error) => {
          // Without its shim it is killed with its container, which takes a while to be told. For all else the start says why.
          if (isKind(error, 'Unavailable')) exec.ended(KILLED);
        },
      );
      await registered;
      const streams = { stdin, stdout: request.AttachStdout === true || terminal, stderr: request.AttachStderr === true };
      const process = client && (await connectStarting(path, streams, task, started));
      try {
        const { pid } = await (started ?? start());
        exec.pid = pid;
        io.taken();
      } catch (error) {
        process?.destroy();
        await task.delete().catch(() => {});
        throw error;
      }
      // A short command may have ended before the answer came.
      if (exec.phase === 'starting') exec.phase = 'running';
      this.#emit(container, exec, 'exec_start');
      this.#clearAfterExit(container, exec, task, path);
      if (!client || !process) return;
      const keys = terminal ? parseDetachKeys(request.DetachKeys ?? '') : undefined;
      const outcome = await runAttachment(client, process, { stdin, detachKeys: keys, onOutputEnd: () => exec.outputEnded() });
      if (outcome === 'detached') emitContainerEvent(this.#context, container, 'exec_detach', { execID: exec.id });
    } catch (thrown) {
      const { error, exitCode } = execError(thrown);
      exec.io?.close();
      exec.ended(exitCode);
      throw error;
    }
  }

  async resize(exec: ExecInstance, height: number, width: number, span: Span): Promise<void> {
    if (exec.phase === 'ended') throw new EngineError('Conflict', `exec process ${exec.id} is not running`, { layer: 'daemon' });
    await this.#context.lifecycle.tasks.resizePty({ containerId: exec.containerId, execId: exec.id, width, height }, traced(span));
  }

  /** Once its process has ended, its traces in the service and on disk go. */
  #clearAfterExit(container: Container, exec: ExecInstance, task: ExecTask, path: string): void {
    const clear = (exitCode: number) => {
      emitContainerEvent(this.#context, container, 'exec_die', { execID: exec.id, exitCode: String(exitCode) });
      const cleared = delay(CLEAR_AFTER)
        .then(() => task.delete())
        .then(
          () => {
            exec.io?.close();
            rmSync(path, { force: true });
          },
          (error) => {
            if (!isKind(error, 'NotFound')) this.#context.log.debug({ exec: exec.id, err: error }, 'the exec process is gone already');
          },
        );
      this.#context.background.track(cleared);
    };
    if (exec.phase === 'ended') clear(exec.exitCode ?? 0);
    else exec.exits.once('exit', clear);
  }

  #spec(exec: ExecInstance, container: Container, { ConsoleSize: size }: ExecStartRequest): Any {
    const { draft } = exec;
    exec.draft = undefined;
    // Users and groups are those of the container's files, which change.
    if (draft && !size && performance.now() - draft.at < DRAFT_LASTS) return draft.spec;
    return this.#pack(exec, container, size);
  }

  #pack(exec: ExecInstance, container: Container, size: ExecStartRequest['ConsoleSize']): Any {
    return packJson(PROCESS_TYPE, this.#process(exec, container, size));
  }

  #process(exec: ExecInstance, container: Container, size: ExecStartRequest['ConsoleSize']): Process {
    const { request } = exec;
    const { config, hostConfig } = container.record;
    const user = resolveUser(request.User || config.User || '', hostConfig.GroupAdd ?? [], this.#context.accounts.of(container));
    const privileged = request.Privileged === true || hostConfig.Privileged === true;
    const capabilities = capabilitiesOf({ privileged, add: hostConfig.CapAdd ?? [], drop: hostConfig.CapDrop ?? [] });
    // A user of its own has a home of its own.
    const inherited = environment(container.record, user);
    const env = mergeEnvironment(inherited, [...(request.Tty ? ['TERM=xterm'] : []), ...(request.Env ?? [])]);
    return {
      terminal: request.Tty === true,
      ...consoleSize(size ?? request.ConsoleSize),
      user: userOf(user),
      args: exec.argv,
      env,
      cwd: request.WorkingDir || config.WorkingDir || '/',
      capabilities: capabilitySets(capabilities, user.uid),
      rlimits: rlimits(this.#context.config.ulimits, hostConfig.Ulimits ?? []),
      noNewPrivileges: parseSecurityOptions(hostConfig.SecurityOpt ?? []).noNewPrivileges,
    };
  }

  #emit(container: Container, exec: ExecInstance, action: string): void {
    // The command and its arguments; one without arguments ends in a space, as Docker's does.
    const [command, ...args] = exec.argv;
    emitContainerEvent(this.#context, container, `${action}: ${command} ${args.join(' ')}`, { execID: exec.id });
  }

  #forgetOldest(container: Container): void {
    if (container.execs.size < KEPT) return;
    const ended = [...container.execs.values()].filter((exec) => exec.phase === 'ended');
    for (const exec of ended.slice(0, Math.max(0, ended.length - KEPT + 1))) {
      container.execs.delete(exec.id);
      this.#byId.delete(exec.id);
    }
  }
}

/** The way to an exec's streams. `started`: its start, when that is under way already. */
async function connectStarting(
  path: string,
  streams: AttachStreams,
  task: ExecTask,
  started: Promise<unknown> | undefined,
): Promise<Socket> {
  try {
    return await connectProcess(path, streams);
  } catch (error) {
    // A start that has failed took the socket with it: what it says is the reason.
    await started?.catch(async (reason) => {
      await task.delete().catch(() => {});
      throw reason;
    });
    // Nobody would see what it does.
    if (started) await task.kill(SIGKILL).catch(() => {});
    throw error;
  }
}

function requireRunning(container: Container, reference = container.id): void {
  if (container.restarting) {
    throw new EngineError('Conflict', `Container ${container.id} is restarting, wait until the container is running`, { layer: 'daemon' });
  }
  if (!container.running) throw new EngineError('Conflict', `container ${container.id} is not running`, { layer: 'daemon' });
  if (container.record.state.phase === 'paused') {
    throw new EngineError('Conflict', `Container ${reference} is paused, unpause the container before exec`, { layer: 'daemon' });
  }
}

/** Exit codes as Docker has them: 127 for a command that is not there, 126 for one that cannot be run. */
function execError(thrown: unknown): { error: EngineError; exitCode: number } {
  const error = toEngineError(thrown);
  if (!isRuntimeError(error)) return { error, exitCode: 126 };
  const exitCode = runtimeExitCode(error.message) === 127 ? 127 : 126;
  const options = { layer: error.layer, details: error.details, cause: thrown };
  return { error: new EngineError('InvalidArgument', runtimeMessage(error.message, 'exec'), options), exitCode };
}

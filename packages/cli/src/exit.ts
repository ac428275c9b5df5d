// Errors that end the program, and the exit codes that scripts rely on: docker's.
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';

/** The daemon or the command line itself failed, the container's command was not run. */
export const EXIT_DAEMON = 125;
/** The container's command cannot be invoked. */
export const EXIT_NOT_EXECUTABLE = 126;
/** The container's command was not found. */
export const EXIT_NOT_FOUND = 127;

/** The command line is wrong: usage is shown below the message. */
export class UsageError extends EngineError {
  readonly exitCode: number;
  /** How the hint to --help begins: docker says See where arguments are missing. */
  readonly hint: 'Run' | 'See';
  constructor(message: string, exitCode: number, hint: 'Run' | 'See' = 'Run') {
    super('InvalidArgument', message, { layer: 'cli' });
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

/** A command that failed with an exit code of its own; `message` may be empty when everything was said already. */
export class ExitError extends EngineError {
  readonly exitCode: number;
  constructor(exitCode: number, message = '', cause?: unknown) {
    super('Unknown', message, { layer: (cause instanceof EngineError && cause.layer) || 'cli', cause });
    this.exitCode = exitCode;
  }
}

/** An error in one line, as docker words it: what the daemon said is told from what the client found. */
export function daemonText(thrown: unknown): string {
  const error = toEngineError(thrown);
  return `${error.details.status === undefined ? '' : 'Error response from daemon: '}${error.message}`;
}

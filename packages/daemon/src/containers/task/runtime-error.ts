// What a runtime says when a process cannot be started, in the wording that Docker's clients look at: they tell "not found" (127)
// from "cannot be run" (126) by the text.
import type { EngineError } from '@berth/errdefs/engine-error';

/** The runtime got as far as trying to start the process. */
export function isRuntimeError(error: EngineError): boolean {
  return /unable to start container process|OCI runtime (create|exec) failed|runc create failed|error mounting|error during container init/.test(
    error.message,
  );
}

export function runtimeExitCode(message: string): 126 | 127 | 128 {
  if (/executable file not found|no such file or directory|system cannot find the file specified/i.test(message)) return 127;
  if (/permission denied|is a directory|exec format error/i.test(message)) return 126;
  return 128;
}

/** With the words around it that containerd and runc put there, whatever the runtime and its shim said. */
export function runtimeMessage(told: string, verb: 'create' | 'exec'): string {
  const message = inRuncsWords(told.replace(/^failed to create shim task: /, ''))
    .replace(/^OCI runtime (create|exec) failed: /, '')
    .replace(/^(runc create|exec) failed: /, '')
    .replace(/: unknown$/, '');
  const runc = message.startsWith('unable to start') ? 'runc create failed: ' : '';
  if (verb === 'create') return `OCI runtime create failed: ${runc}${message}: unknown`;
  return `OCI runtime exec failed: exec failed: ${message.replace('error during container init: ', '')}: unknown`;
}

/** crun says it otherwise, and clients look for runc's words. */
function inRuncsWords(message: string): string {
  return message.replace(
    /executable file `([^`]*)` not found in \$PATH(?:: No such file or directory)?/,
    'exec: "$1": executable file not found in $PATH',
  );
}

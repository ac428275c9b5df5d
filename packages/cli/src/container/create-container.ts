// What `run` and `create` share: the request, the pull of a missing image, warnings, --cidfile.
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { createContainer } from '@berth/client/containers/create';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import type { Context } from '../context.ts';
import { EXIT_DAEMON, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, ExitError, UsageError } from '../exit.ts';
import { pullWithProgress } from '../image/pull-image.ts';
import type { Arguments } from '../parse.ts';
import { type Attachment, containerRequest } from '../run-flags/container-request.ts';

/** Creates the container and returns its id. */
export async function create(context: Context, args: Arguments, attachment: Attachment): Promise<string> {
  const request = containerRequest(args, attachment, context.environment);
  const pull = args.string('pull') ?? 'missing';
  if (!['always', 'missing', 'never'].includes(pull))
    throw new UsageError(`invalid pull option: '${pull}': must be one of "always", "missing" or "never"`, EXIT_DAEMON);
  using cidFile = openCidFile(args.string('cidfile'));
  const image = request.Image as string;
  const platform = args.string('platform') ?? context.environment.DOCKER_DEFAULT_PLATFORM;
  const options = { ...(args.given('name') ? { name: args.string('name') as string } : {}), ...(platform ? { platform } : {}) };
  const fetch = () =>
    pullWithProgress(context, image, { quiet: args.boolean('quiet'), stream: context.stderr, ...(platform ? { platform } : {}) });
  if (pull === 'always') await fetch();
  const attempt = () => createContainer(context.engine, request, options);
  const created = await attempt().catch(async (error: unknown) => {
    if (pull !== 'missing' || !isKind(error, 'NotFound') || !/No such image/i.test((error as Error).message)) throw error;
    if (!args.boolean('quiet')) context.warn(`Unable to find image '${withTag(image)}' locally`);
    await fetch();
    return attempt();
  });
  for (const warning of created.Warnings ?? []) context.warn(`WARNING: ${warning}`);
  cidFile?.write(created.Id);
  return created.Id;
}

/** Docker's exit codes for a container that could not be created or started. */
export function startFailure(thrown: unknown): unknown {
  if (!(thrown instanceof EngineError) || thrown instanceof UsageError || thrown instanceof ExitError) return thrown;
  const { message } = thrown;
  const daemon = thrown.details.status === undefined ? '' : 'Error response from daemon: ';
  const text = `berth: ${daemon}${message}\n\nRun 'berth run --help' for more information`;
  if (/executable file not found|no such file or directory|system cannot find the file/.test(message) && /exec|OCI runtime/.test(message)) {
    return new ExitError(EXIT_NOT_FOUND, text, thrown);
  }
  if (/permission denied|not a directory|is a directory|exec format error/.test(message) && /exec|OCI runtime/.test(message)) {
    return new ExitError(EXIT_NOT_EXECUTABLE, text, thrown);
  }
  return new ExitError(EXIT_DAEMON, text, thrown);
}

function withTag(image: string): string {
  return image.includes('@') || /:[^/]+$/.test(image) ? image : `${image}:latest`;
}

/** The file must not exist, and does not stay behind empty. */
function openCidFile(path: string | undefined): ({ write(id: string): void } & Disposable) | undefined {
  if (path === undefined) return undefined;
  let file: number;
  try {
    file = openSync(path, 'wx', 0o644);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new ExitError(
      EXIT_DAEMON,
      `berth: container ID file found, make sure the other container isn't running or delete ${path}`,
      error,
    );
  }
  let written = false;
  return {
    write(id) {
      writeSync(file, id);
      written = true;
    },
    [Symbol.dispose]() {
      closeSync(file);
      if (!written) unlinkSync(path);
    },
  };
}

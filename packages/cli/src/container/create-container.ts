// What `run` and `create` share: the request, the pull of a missing image, warnings, --cidfile.
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import type { ContainerCreateRequest } from '@berth/api/container';
import { createContainer } from '@berth/client/containers/create';
import { EngineError, isKind, toEngineError } from '@berth/errdefs/engine-error';
import { parseReference } from '@berth/oci/reference';
import type { Context } from '../context.ts';
import { daemonText, EXIT_DAEMON, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, ExitError, UsageError } from '../exit.ts';
import { pullWithProgress } from '../image/pull-image.ts';
import type { Arguments } from '../parse.ts';
import { type Attachment, containerRequest } from '../run-flags/container-request.ts';

/** What the flags ask for; what is wrong with them is told as docker tells it, with its exit code. */
export function requestOf(verb: 'create' | 'run', context: Context, args: Arguments, attachment: Attachment): ContainerCreateRequest {
  try {
    return containerRequest(args, attachment, context.environment);
  } catch (error) {
    throw failureOf(verb, EXIT_DAEMON, error);
  }
}

/** Creates the container and returns its id. */
export async function create(context: Context, args: Arguments, request: ContainerCreateRequest): Promise<string> {
  const pull = args.string('pull') ?? 'missing';
  if (!['always', 'missing', 'never'].includes(pull))
    throw wrong(`invalid pull option: '${pull}': must be one of "always", "missing" or "never"`);
  using cidFile = openCidFile(args.string('cidfile'));
  const image = request.Image as string;
  // An id is none.
  if (!/^[0-9a-f]{64}$/.test(image)) parseReference(image);
  const platform = args.string('platform') ?? context.environment.DOCKER_DEFAULT_PLATFORM;
  if (platform && !/^[\w.-]+(\/[\w.-]+){0,2}$/.test(platform))
    throw wrong(`error parsing specified platform: "${platform}": cannot parse platform specifier: invalid argument`);
  const options = { ...(args.given('name') ? { name: args.string('name') as string } : {}), ...(platform ? { platform } : {}) };
  const fetch = () =>
    pullWithProgress(context, image, { quiet: args.boolean('quiet'), stream: context.stderr, ...(platform ? { platform } : {}) });
  if (pull === 'always') await fetch();
  const attempt = () => createContainer(context.engine, request, options);
  const created = await attempt().catch(async (error: unknown) => {
    if (
      pull !== 'missing' ||
      !isKind(error, 'NotFound') ||
      !/No such image|does not match the specified platform/i.test((error as Error).message)
    )
      throw error;
    if (!args.boolean('quiet')) context.warn(`Unable to find image '${withTag(image)}' locally`);
    await fetch();
    return attempt();
  });
  for (const warning of created.Warnings ?? []) context.warn(`WARNING: ${warning}`);
  cidFile?.write(created.Id);
  return created.Id;
}

/** The error of a container that could not be created for `run`. */
export function createFailure(thrown: unknown): unknown {
  return failureOf('run', EXIT_DAEMON, thrown);
}

/** The error of a container that could not be started, with docker's exit codes for the command's sake: not found, not executable. */
export function startFailure(thrown: unknown): unknown {
  const { message } = toEngineError(thrown);
  if (/executable file not found|no such file or directory|system cannot find the file/.test(message))
    return failureOf('run', EXIT_NOT_FOUND, thrown);
  if (/permission denied|is a directory|not a directory|exec format error/.test(message))
    return failureOf('run', EXIT_NOT_EXECUTABLE, thrown);
  return failureOf('run', EXIT_DAEMON, thrown);
}

function failureOf(verb: 'create' | 'run', exitCode: number, thrown: unknown): unknown {
  if (thrown instanceof UsageError || thrown instanceof ExitError) return thrown;
  return new ExitError(exitCode, `berth: ${daemonText(thrown)}\n\nRun 'berth ${verb} --help' for more information`, thrown);
}

function wrong(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'cli' });
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
    throw wrong(`container ID file found, make sure the other container isn't running or delete ${path}`);
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

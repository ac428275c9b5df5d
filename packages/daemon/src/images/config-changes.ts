// `--change` of import and commit: those of a Dockerfile's instructions that change a configuration and nothing else, as a build carries
// them out.
import { posix } from 'node:path';
import type { Instruction } from '@berth/builder/dockerfile/instruction';
import { logicalLines } from '@berth/builder/dockerfile/lines';
import { parseInstruction } from '@berth/builder/dockerfile/parse';
import { expandWord } from '@berth/builder/dockerfile/words';
import { configStep } from '@berth/builder/solver/config-steps';
import { emptyState } from '@berth/builder/solver/image-state';
import { EngineError } from '@berth/errdefs/engine-error';
import type { ExecutionConfig } from '@berth/oci/image-spec';

const CHANGES = 'CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR'.split(' ');

/** The configuration after the instructions; they are applied in order. */
export function applyChanges(config: ExecutionConfig, changes: readonly string[]): ExecutionConfig {
  const { escapeToken, lines } = logicalLines(changes.join('\n'));
  for (const { text } of lines) {
    const [word = ''] = text.split(/\s/, 1);
    if (!CHANGES.includes(word.toUpperCase())) {
      throw new EngineError('InvalidArgument', `${word.toLowerCase()} is not a valid change command`, { layer: 'daemon' });
    }
  }
  let cmdSet = false;
  let current = config;
  for (const line of lines) {
    const instruction = parseInstruction(line, escapeToken);
    current = { ...current, ...changeOf(current, instruction, { escapeToken, cmdSet }) };
    if (instruction.kind === 'CMD') cmdSet = true;
  }
  return current;
}

function changeOf(
  config: ExecutionConfig,
  instruction: Instruction,
  scope: { escapeToken: string; cmdSet: boolean },
): Partial<ExecutionConfig> | undefined {
  const lookup = (name: string) => config.Env?.findLast((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  if (instruction.kind === 'WORKDIR') {
    return { WorkingDir: posix.resolve('/', config.WorkingDir ?? '', expandWord(instruction.value, lookup, scope.escapeToken)) };
  }
  const empty = emptyState(undefined);
  return configStep({ ...empty, config: { ...empty.config, config } }, instruction, { ...scope, lookup })?.config;
}

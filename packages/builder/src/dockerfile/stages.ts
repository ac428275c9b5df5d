// Instructions grouped into build stages, and which of them a build needs: a stage that the target does not stand on, copy from or
// count is not carried out.
//
// Pure.
import { EngineError } from '@berth/errdefs/engine-error';
import type { FromInstruction, Instruction, InstructionOf } from './instruction.ts';
import type { Dockerfile } from './parse.ts';
import { syntaxError } from './syntax-error.ts';

export interface Stage {
  index: number;
  name: string | undefined;
  from: FromInstruction & Instruction;
  instructions: Instruction[];
}

export interface StagedDockerfile {
  escapeToken: string;
  /** ARGs before the first FROM: for FROM itself. */
  metaArgs: InstructionOf<'ARG'>[];
  stages: Stage[];
}

export function stagesOf({ escapeToken, instructions }: Dockerfile): StagedDockerfile {
  const metaArgs: InstructionOf<'ARG'>[] = [];
  const stages: Stage[] = [];
  for (const instruction of instructions) {
    const stage = stages.at(-1);
    if (instruction.kind === 'FROM')
      stages.push({ index: stages.length, name: instruction.stageName, from: instruction, instructions: [] });
    else if (stage) stage.instructions.push(instruction);
    else if (instruction.kind === 'ARG') metaArgs.push(instruction);
    else throw syntaxError(instruction.line, 'no build stage in current context');
  }
  if (stages.length === 0) throw new EngineError('InvalidArgument', 'no build stage in current context', { layer: 'builder' });
  return { escapeToken, metaArgs, stages };
}

/** `target` is a stage's name or number; '' is the last stage. */
export function targetStage(stages: readonly Stage[], target: string): Stage {
  const found = target === '' ? stages.at(-1) : findStage(stages, target, stages.length);
  if (found === undefined) throw new EngineError('InvalidArgument', `target stage "${target}" could not be found`, { layer: 'builder' });
  return found;
}

/** The stage before number `before` that is meant by a name or a number; the last of several of one name. */
export function findStage(stages: readonly Stage[], reference: string, before: number): Stage | undefined {
  const earlier = stages.slice(0, before);
  return (
    earlier.findLast((stage) => stage.name === reference.toLowerCase()) ??
    (/^\d+$/.test(reference) ? earlier[Number(reference)] : undefined)
  );
}

/** The stages that `target` needs, itself included, in the order of the file. `baseOf` gives FROM's image after expansion. */
export function neededStages(stages: readonly Stage[], target: Stage, baseOf: (stage: Stage) => string): Stage[] {
  const needed = new Set<Stage>();
  const visit = (stage: Stage) => {
    if (needed.has(stage)) return;
    needed.add(stage);
    const references = [baseOf(stage), ...stage.instructions.flatMap((instruction) => copySource(instruction) ?? [])];
    for (const reference of references) {
      const other = findStage(stages, reference, stage.index);
      if (other) visit(other);
    }
  };
  visit(target);
  return stages.filter((stage) => needed.has(stage));
}

function copySource(instruction: Instruction): string | undefined {
  if (instruction.kind === 'COPY') return instruction.from;
  // A trigger that an image brings is not known yet; one that is defined here concerns its children only.
  return undefined;
}

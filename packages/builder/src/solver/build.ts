// A build from its Dockerfile to its image: stages in order, those that the target does not need left out.
//
// Runs in the daemon.
import { EngineError } from '@berth/errdefs/engine-error';
import type { UnpackPool } from '@berth/lifecycle/diff/unpack-pool';
import { type Digest, shortDigest } from '@berth/oci/digest';
import type { FileTree } from '../context/file-tree.ts';
import type { Instruction } from '../dockerfile/instruction.ts';
import { parseDockerfile, parseTrigger } from '../dockerfile/parse.ts';
import { findStage, neededStages, type Stage, type StagedDockerfile, stagesOf, targetStage } from '../dockerfile/stages.ts';
import { expandWord } from '../dockerfile/words.ts';
import type { BuildBackend, ImageState, OpenFiles } from './backend.ts';
import { BuildArguments } from './build-arguments.ts';
import type { BuildCache } from './build-cache.ts';
import { derived, emptyState, stateId } from './image-state.ts';
import { StageBuilder } from './stage-builder.ts';

export interface BuildRequest {
  dockerfile: string;
  context: FileTree;
  /** For archives that ADD unpacks. */
  threads: UnpackPool;
  /** null: the client has no value for it. */
  buildArgs: Readonly<Record<string, string | null>>;
  labels: Readonly<Record<string, string>>;
  /** A stage's name or number; '' is the last. */
  target: string;
  /** `linux/arm64`; undefined is the host's. */
  platform: string | undefined;
  useCache: boolean;
  /** Images whose layers may be taken over (--cache-from). */
  cacheSources: readonly ImageState[];
  removeContainers: boolean;
  signal: AbortSignal;
  output(text: string): void;
}

export async function build(request: BuildRequest, backend: BuildBackend, cache: BuildCache): Promise<Digest> {
  const staged = stagesOf(parseDockerfile(request.dockerfile));
  const target = targetStage(staged.stages, request.target);
  return new Build(request, staged, backend, cache).run(target);
}

class Build {
  readonly #request: BuildRequest;
  readonly #staged: StagedDockerfile;
  readonly #backend: BuildBackend;
  readonly #cache: BuildCache;
  readonly #arguments: BuildArguments;
  readonly #finished = new Map<Stage, ImageState>();
  #step = 0;
  #steps = 0;

  constructor(request: BuildRequest, staged: StagedDockerfile, backend: BuildBackend, cache: BuildCache) {
    this.#request = request;
    this.#staged = staged;
    this.#backend = backend;
    this.#cache = cache;
    this.#arguments = new BuildArguments(request.buildArgs, request.platform);
  }

  async run(target: Stage): Promise<Digest> {
    const { metaArgs, stages } = this.#staged;
    const { output, labels } = this.#request;
    for (const { args } of metaArgs) {
      for (const { name, value } of args) this.#arguments.declareMeta(name, value === undefined ? undefined : this.#metaWord(value));
    }
    const needed = neededStages(stages, target, (stage) => this.#metaWord(stage.from.image));
    const labelled = Object.keys(labels).length > 0;
    this.#steps = metaArgs.length + needed.reduce((sum, stage) => sum + 1 + stage.instructions.length, 0) + (labelled ? 1 : 0);
    for (const each of metaArgs) this.#announce(each.original);
    for (const stage of needed) this.#finished.set(stage, await this.#stage(stage, stage === target && labelled ? labels : undefined));
    const state = this.#finished.get(target);
    if (state === undefined) throw new EngineError('Internal', 'the target stage was not built', { layer: 'builder' });
    const unused = this.#arguments.unused();
    if (unused.length > 0) output(`[Warning] One or more build-args [${unused.join(' ')}] were not consumed\n`);
    return this.#backend.save(state);
  }

  async #stage(stage: Stage, labels: Readonly<Record<string, string>> | undefined): Promise<ImageState> {
    this.#announce(stage.from.original);
    const base = await this.#base(stage);
    this.#request.output(` ---> ${base.layers.length === 0 && base.config.history?.length === 0 ? '' : shortDigest(stateId(base))}\n`);
    const triggers = (base.config.config?.OnBuild ?? []).map((text) => parseTrigger(text, this.#staged.escapeToken));
    const start =
      triggers.length > 0 ? { ...base, config: { ...base.config, config: { ...base.config.config, OnBuild: undefined } } } : base;
    const builder = new StageBuilder(start, {
      backend: this.#backend,
      cache: this.#cache,
      useCache: this.#request.useCache,
      cacheSources: this.#request.cacheSources,
      removeContainers: this.#request.removeContainers,
      arguments: this.#arguments,
      escapeToken: this.#staged.escapeToken,
      context: this.#request.context,
      threads: this.#request.threads,
      openFrom: (reference) => this.#openFrom(reference, stage),
      output: this.#request.output,
      signal: this.#request.signal,
    });
    await this.#triggers(builder, triggers);
    for (const instruction of stage.instructions) {
      this.#announce(instruction.original);
      await builder.run(instruction);
    }
    if (labels) {
      this.#announce(
        `LABEL ${Object.entries(labels)
          .map(([name, value]) => `${name}=${value}`)
          .join(' ')}`,
      );
      await builder.label(labels);
    }
    return builder.state;
  }

  async #triggers(builder: StageBuilder, triggers: readonly Instruction[]): Promise<void> {
    if (triggers.length === 0) return;
    this.#request.output(`# Executing ${triggers.length} build trigger${triggers.length === 1 ? '' : 's'}\n`);
    for (const trigger of triggers) await builder.run(trigger);
  }

  async #base(stage: Stage): Promise<ImageState> {
    const name = this.#metaWord(stage.from.image);
    if (name === '') throw new EngineError('InvalidArgument', `base name (${stage.from.image}) should not be blank`, { layer: 'builder' });
    const earlier = findStage(this.#staged.stages, name, stage.index);
    if (earlier) return this.#stateOf(earlier);
    const platform = stage.from.platform === undefined ? this.#request.platform : this.#metaWord(stage.from.platform);
    return name === 'scratch' ? emptyState(platform) : derived(await this.#backend.image(name, platform));
  }

  async #openFrom(reference: string, stage: Stage): Promise<OpenFiles> {
    const earlier = findStage(this.#staged.stages, reference, stage.index);
    if (earlier) return this.#backend.files(this.#stateOf(earlier));
    if (/^\d+$/.test(reference))
      throw new EngineError('InvalidArgument', `invalid from flag value ${reference}: refers to current build stage`, { layer: 'builder' });
    try {
      return await this.#backend.files(await this.#backend.image(reference, this.#request.platform));
    } catch (cause) {
      if (!(cause instanceof EngineError)) throw cause;
      throw new EngineError(cause.kind, `invalid from flag value ${reference}: ${cause.message}`, { layer: 'builder', cause });
    }
  }

  #stateOf(stage: Stage): ImageState {
    const state = this.#finished.get(stage);
    if (state === undefined)
      throw new EngineError('Internal', `the stage ${stage.name ?? stage.index} was not built`, { layer: 'builder' });
    return state;
  }

  #metaWord(text: string): string {
    return expandWord(text, (name) => this.#arguments.meta(name), this.#staged.escapeToken);
  }

  #announce(original: string): void {
    this.#step++;
    this.#request.output(`Step ${this.#step}/${this.#steps} : ${original}`);
    this.#request.output('\n');
  }
}

// Carries out the instructions of one stage, each from the cache or for real.
//
// Runs in the daemon. Output is the classic builder's, line by line, as clients parse it.
import { posix } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { TreeWriter } from '@berth/lifecycle/diff/tree-writer';
import type { UnpackPool } from '@berth/lifecycle/diff/unpack-pool';
import { shortDigest } from '@berth/oci/digest';
import { toBytes } from '@berth/oci/tar/entry';
import type { FileTree } from '../context/file-tree.ts';
import type { Instruction, InstructionOf } from '../dockerfile/instruction.ts';
import { expandWord } from '../dockerfile/words.ts';
import type { BuildBackend, BuiltLayer, ImageState, OpenFiles } from './backend.ts';
import type { BuildArguments } from './build-arguments.ts';
import { type BuildCache, cacheKey } from './build-cache.ts';
import { commandLine, configStep } from './config-steps.ts';
import { planCopy } from './copy-step.ts';
import { nextState, noOperation, type Step, stateId } from './image-state.ts';

export interface StageContext {
  backend: BuildBackend;
  cache: BuildCache;
  useCache: boolean;
  /** Images of --cache-from. */
  cacheSources: readonly ImageState[];
  /** Intermediate containers are removed after success; said, too. */
  removeContainers: boolean;
  arguments: BuildArguments;
  escapeToken: string;
  context: FileTree;
  threads: UnpackPool;
  /** The files of COPY --from. */
  openFrom(reference: string): Promise<OpenFiles>;
  output(text: string): void;
  signal: AbortSignal;
}

export class StageBuilder {
  readonly #context: StageContext;
  /** ARGs that this stage has declared so far. */
  readonly #declared = new Map<string, string | undefined>();
  #state: ImageState;
  #cmdSet = false;

  constructor(state: ImageState, context: StageContext) {
    this.#state = state;
    this.#context = context;
  }

  get state(): ImageState {
    return this.#state;
  }

  async run(instruction: Instruction): Promise<void> {
    this.#context.signal.throwIfAborted();
    switch (instruction.kind) {
      case 'ARG':
        await this.#argument(instruction);
        break;
      case 'RUN':
        await this.#run(instruction);
        break;
      case 'COPY':
      case 'ADD':
        await this.#copy(instruction);
        break;
      case 'WORKDIR':
        await this.#workingDirectory(instruction.value);
        break;
      default:
        await this.#configure(instruction);
    }
    this.#context.output(` ---> ${shortDigest(stateId(this.#state))}\n`);
  }

  /** Labels of the build request. */
  async label(labels: Readonly<Record<string, string>>): Promise<void> {
    const text = `LABEL ${Object.entries(labels)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')}`;
    const Labels = { ...this.#state.config.config?.Labels, ...labels };
    await this.#step(text, { createdBy: noOperation(this.#state, ` ${text}`), config: { Labels } });
    this.#context.output(` ---> ${shortDigest(stateId(this.#state))}\n`);
  }

  /** ENV wins over ARG. */
  readonly #lookup = (name: string): string | undefined => this.#environment(name) ?? this.#declared.get(name);

  #environment(name: string): string | undefined {
    const entry = (this.#state.config.config?.Env ?? []).findLast((each) => each.startsWith(`${name}=`));
    return entry?.slice(name.length + 1);
  }

  async #argument(instruction: InstructionOf<'ARG'>): Promise<void> {
    const { escapeToken } = this.#context;
    const texts: string[] = [];
    for (const { name, value } of instruction.args) {
      const fallback = value === undefined ? undefined : expandWord(value, this.#lookup, escapeToken);
      this.#declared.set(name, this.#context.arguments.value(name, fallback));
      texts.push(fallback === undefined ? name : `${name}=${fallback}`);
    }
    const text = `ARG ${texts.join(' ')}`;
    await this.#step(text, { createdBy: noOperation(this.#state, ` ${text}`) });
  }

  async #configure(instruction: Instruction): Promise<void> {
    const scope = { lookup: this.#lookup, escapeToken: this.#context.escapeToken, cmdSet: this.#cmdSet };
    const step = configStep(this.#state, instruction, scope);
    if (step === undefined)
      throw new EngineError('Internal', `the instruction ${instruction.kind} has no implementation`, { layer: 'builder' });
    if (instruction.kind === 'CMD') this.#cmdSet = true;
    const { text, config, author } = step;
    await this.#step(text, { createdBy: noOperation(this.#state, ` ${text}`), config, author });
  }

  async #workingDirectory(value: string): Promise<void> {
    const path = posix.resolve(
      '/',
      this.#state.config.config?.WorkingDir ?? '/',
      expandWord(value, this.#lookup, this.#context.escapeToken),
    );
    const text = `WORKDIR ${path}`;
    await this.#step(text, { createdBy: noOperation(this.#state, text), config: { WorkingDir: path } }, () => this.#makeDirectory(path));
  }

  /** A layer only where the directory is missing. */
  async #makeDirectory(path: string): Promise<BuiltLayer | undefined> {
    const { backend } = this.#context;
    const bytes = toBytes(path).slice(1);
    if (bytes === '') return undefined;
    {
      await using files = await backend.files(this.#state);
      const there = files.tree.stat(bytes);
      if (there && !files.tree.isDirectory(bytes)) {
        throw new EngineError('InvalidArgument', `Cannot mkdir: ${path} is not a directory`, { layer: 'builder' });
      }
      if (there) return undefined;
    }
    return backend.change(this.#state, async (root) => {
      using writer = new TreeWriter(root);
      writer.directory(bytes);
    });
  }

  async #copy(instruction: InstructionOf<'COPY' | 'ADD'>): Promise<void> {
    const { backend, context, escapeToken, threads, signal } = this.#context;
    await using target = await backend.files(this.#state);
    await using from =
      instruction.from === undefined ? undefined : await this.#context.openFrom(expandWord(instruction.from, this.#lookup, escapeToken));
    const workingDirectory = this.#state.config.config?.WorkingDir || '/';
    const source = from?.tree ?? context;
    using plan = await planCopy(instruction, {
      lookup: this.#lookup,
      escapeToken,
      source,
      target: target.tree,
      workingDirectory,
      threads,
      signal,
    });
    await this.#step(plan.text, { createdBy: noOperation(this.#state, plan.text) }, () =>
      backend.change(this.#state, (root) => plan.write(root)),
    );
  }

  async #run(instruction: InstructionOf<'RUN'>): Promise<void> {
    const { backend, output, signal } = this.#context;
    const argv = commandLine(this.#state, instruction.command);
    const visible = [...this.#declared].filter(([name, value]) => value !== undefined && this.#environment(name) === undefined).sort();
    const env = visible.map(([name, value]) => `${name}=${value}`);
    const hidden = this.#context.arguments.proxies().filter(([name]) => !this.#declared.has(name) && this.#environment(name) === undefined);
    const createdBy = `${env.length > 0 ? `|${env.length} ${env.join(' ')} ` : ''}${argv.join(' ')}`;
    await this.#step(JSON.stringify(['RUN', env, argv]), { createdBy }, async () => {
      const result = await backend.run({
        state: this.#state,
        argv,
        env: [...hidden.map(([name, value]) => `${name}=${value}`), ...env],
        signal,
        onContainer: (id) => output(` ---> Running in ${id.slice(0, 12)}\n`),
        onOutput: output,
      });
      if (result.layer === undefined) {
        throw new EngineError('Unknown', `The command '${argv.join(' ')}' returned a non-zero code: ${result.exitCode}`, {
          layer: 'builder',
          details: { exitCode: result.exitCode },
        });
      }
      if (this.#context.removeContainers) output(` ---> Removed intermediate container ${result.containerId.slice(0, 12)}\n`);
      return result.layer;
    });
  }

  /** One new state: a remembered one, one of an image that was named as a source, or made. */
  async #step(text: string, step: Omit<Step, 'layer'>, makeLayer?: () => Promise<BuiltLayer | undefined>): Promise<void> {
    const { cache, useCache, output } = this.#context;
    const key = cacheKey(this.#state, text);
    const known = useCache ? await this.#remembered(key, step) : undefined;
    if (known) output(' ---> Using cache\n');
    this.#state = known ?? nextState(this.#state, { ...step, layer: await makeLayer?.() });
    cache.put(key, this.#state);
  }

  async #remembered(key: string, step: Omit<Step, 'layer'>): Promise<ImageState | undefined> {
    const { backend, cache, cacheSources } = this.#context;
    const candidates = [() => cache.get(key)?.state, ...cacheSources.map((source) => () => borrowed(this.#state, step, source))];
    for (const candidate of candidates) {
      const state = candidate();
      if (state && (await backend.has(state))) return state;
    }
    return undefined;
  }
}

/** --cache-from: the next state as another image has it, when that image came to here by the same steps. */
function borrowed(state: ImageState, step: Omit<Step, 'layer'>, source: ImageState): ImageState | undefined {
  const history = state.config.history ?? [];
  const theirs = source.config.history ?? [];
  const entry = theirs[history.length];
  const diffIds = state.config.rootfs.diff_ids;
  if (entry?.created_by !== step.createdBy) return undefined;
  if (
    !history.every(
      ({ created_by, empty_layer }, index) => theirs[index]?.created_by === created_by && !theirs[index]?.empty_layer === !empty_layer,
    )
  )
    return undefined;
  if (!diffIds.every((diffId, index) => source.config.rootfs.diff_ids[index] === diffId)) return undefined;
  const created = new Date(entry.created ?? 0);
  if (entry.empty_layer) return nextState(state, step, created);
  const diffId = source.config.rootfs.diff_ids[diffIds.length];
  const descriptor = source.layers[diffIds.length];
  return diffId && descriptor && nextState(state, { ...step, layer: { diffId, descriptor } }, created);
}

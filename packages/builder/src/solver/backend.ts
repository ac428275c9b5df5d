// What a build needs of the engine below it: images, files of image states, layers, containers. The daemon implements it over the
// lifecycle service; the solver knows nothing of either.
import type { Digest } from '@berth/oci/digest';
import type { Descriptor, ImageConfig } from '@berth/oci/image-spec';
import type { FileTree } from '../context/file-tree.ts';

export interface BuiltLayer {
  descriptor: Descriptor;
  diffId: Digest;
}

/** An image, or what a build has made of one so far: its configuration and its layers, lowest first. */
export interface ImageState {
  config: ImageConfig;
  layers: readonly Descriptor[];
}

export interface RunRequest {
  state: ImageState;
  argv: readonly string[];
  /** `NAME=value`, beside what the state's configuration has. */
  env: readonly string[];
  signal: AbortSignal;
  onContainer(id: string): void;
  onOutput(text: string): void;
}

export type RunResult =
  | { exitCode: 0; layer: BuiltLayer; containerId: string }
  | { exitCode: number; layer?: undefined; containerId: string };

export interface OpenFiles extends AsyncDisposable {
  tree: FileTree;
}

export interface BuildBackend {
  /** An image by its name; pulled when it is missing, or when the build asks for fresh ones. */
  image(reference: string, platform: string | undefined): Promise<ImageState & { id: Digest }>;
  /** The files of a state, for reading. A state without layers has an empty tree. */
  files(state: ImageState): Promise<OpenFiles>;
  /** Writes into a copy of a state's files and keeps what changed as a layer. `write` gets a directory descriptor. */
  change(state: ImageState, write: (root: number) => Promise<void>): Promise<BuiltLayer>;
  /** Runs a container on a state. What it changed is the layer, when it succeeded. */
  run(request: RunRequest): Promise<RunResult>;
  /** Whether everything that a remembered state names is still stored. */
  has(state: ImageState): Promise<boolean>;
  /** Stores the finished image under the build's names. */
  save(state: ImageState): Promise<Digest>;
}

// What the daemon knows of an image, and the two narrow interfaces between images and the rest of the daemon: containers resolve
// images, and images ask who uses them. Image ids are configuration digests, as in Docker's classic store.
import type { Digest } from '@berth/oci/digest';
import type { Descriptor, ImageConfig } from '@berth/oci/image-spec';

export interface Image {
  /** Digest of the configuration. */
  readonly id: Digest;
  readonly config: ImageConfig;
  /** Snapshot to prepare a container's root on; '' for an image without layers. */
  readonly chainId: string;
  /** The manifest that names the configuration and the layers. */
  readonly manifest: Descriptor;
  readonly layers: readonly Descriptor[];
  /** Full names in the lifecycle service: docker.io/library/busybox:latest, docker.io/library/busybox@sha256:…; empty when dangling. */
  readonly names: readonly string[];
  /** busybox:latest */
  readonly repoTags: readonly string[];
  /** busybox@sha256:… */
  readonly repoDigests: readonly string[];
}

/** What containers and builds need of images. */
export interface ImageResolver {
  /**
   * `reference` is an id, a prefix of one, a name, or a name with tag or digest; `platform`, `linux/arm64`, chooses one of those behind it.
   * NotFound says `No such image: <reference>`, or which platform is here instead.
   */
  resolve(reference: string, platform?: string): Promise<Image>;
}

export interface ImageUse {
  readonly containerId: string;
  readonly running: boolean;
}

/** Whether containers stand on an image: asked before one is removed, and for the `ancestor` and `Containers` figures. */
export interface ImageUsers {
  usesOf(imageId: string): readonly ImageUse[];
}

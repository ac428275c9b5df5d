// Images: names for content (containerd's core/images, gRPC containerd.services.images.v1). An image is a name and the descriptor
// of the manifest or index that it stands for; what the manifest refers to is found through the content store.
import type { Descriptor } from '@berth/oci/image-spec';
import type { Labels } from '../metadata/labels.ts';

export interface Image {
  /** Usually a full reference, `docker.io/library/busybox:latest`; any non-empty string is accepted. */
  name: string;
  target: Descriptor;
  labels: Labels;
  createdAt: Date;
  updatedAt: Date;
}

export type NewImage = Pick<Image, 'name' | 'target'> & { labels?: Labels; createdAt?: Date };

/** One namespace's images. */
export interface ImageStore {
  /** NotFound: `image "<name>": not found`. */
  get(name: string): Image;
  list(filters?: readonly string[]): Image[];
  /** AlreadyExists: `image "<name>": already exists`. */
  create(image: NewImage): Image;
  /** Field paths: `labels`, `labels.<key>`, `target`, `annotations`; none replaces target and labels. */
  update(image: NewImage, fieldPaths?: readonly string[]): Image;
  /** Creates the image, or points the existing name to a new target. */
  put(image: NewImage): Image;
  /** With a target: FailedPrecondition unless the image still has it. What it referred to is left to the garbage collector. */
  delete(name: string, target?: Descriptor): void;
}

// Images on the Engine API (moby's api/swagger.yaml, 1.51).
import type { ContainerConfig } from './host-config.ts';

/** One of the manifests behind an image's name (API 1.47). */
export interface ImageManifestSummary {
  /** The manifest's digest. */
  ID: string;
  Descriptor: OciDescriptor;
  /** Everything of it is here. */
  Available: boolean;
  Kind: 'image' | 'attestation' | 'unknown';
  /** Bytes; Content as stored, Total with what is unpacked. */
  Size: { Content: number; Total: number };
  ImageData?: { Platform: OciPlatform; Containers: string[]; Size: { Unpacked: number } };
  AttestationData?: { For: string };
}

export interface OciPlatform {
  os: string;
  architecture: string;
  variant?: string;
}

export interface OciDescriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: OciPlatform;
  annotations?: Record<string, string>;
}

export interface ImageSummary {
  Id: string;
  ParentId: string;
  RepoTags: string[] | null;
  RepoDigests: string[] | null;
  /** Unix seconds. */
  Created: number;
  Size: number;
  SharedSize: number;
  VirtualSize?: number;
  Labels: Record<string, string> | null;
  /** -1 when it was not counted. */
  Containers: number;
  /** On request. */
  Manifests?: ImageManifestSummary[];
  Descriptor?: OciDescriptor;
}

export interface ImageInspect {
  Id: string;
  RepoTags: string[];
  RepoDigests: string[];
  Parent: string;
  Comment: string;
  Created?: string;
  Container?: string;
  DockerVersion: string;
  Author: string;
  Config: ContainerConfig | null;
  Architecture: string;
  Variant?: string;
  Os: string;
  OsVersion?: string;
  Size: number;
  VirtualSize?: number;
  GraphDriver: { Name: string; Data: Record<string, string> | null };
  RootFS: { Type: string; Layers?: string[] };
  Metadata: { LastTagTime: string };
  Descriptor?: OciDescriptor;
  /** On request. */
  Manifests?: ImageManifestSummary[];
}

export interface ImageHistoryItem {
  Id: string;
  Created: number;
  CreatedBy: string;
  Tags: string[] | null;
  Size: number;
  Comment: string;
}

export type ImageDeleteItem = { Untagged: string } | { Deleted: string };

export interface ImagesPruneResponse {
  ImagesDeleted: ImageDeleteItem[] | null;
  SpaceReclaimed: number;
}

/** One message of a progress stream (pull, push, load, import, build); `error` and `progress` repeat for older clients. */
export interface ProgressMessage {
  stream?: string;
  status?: string;
  progressDetail?: { current?: number; total?: number; start?: number; hidecounts?: boolean; units?: string };
  progress?: string;
  id?: string;
  errorDetail?: { code?: number; message: string };
  error?: string;
  aux?: unknown;
}

export interface AuthConfig {
  username?: string;
  password?: string;
  auth?: string;
  email?: string;
  serveraddress?: string;
  identitytoken?: string;
  registrytoken?: string;
}

/** What Docker Hub knows of a repository. */
export interface ImageSearchItem {
  name: string;
  description: string;
  star_count: number;
  is_official: boolean;
  is_automated: boolean;
}

// What a client wants left out of a comparison, told beside the request as metadata of the call. Berth's own: a service that does not know
// the name passes over it and tells everything.

const MOUNT_POINTS = 'berth-diff-mount-points';

/** Paths from the root, in ASCII and without commas: `etc/hosts`. */
export function diffMetadata(mountPoints: readonly string[]): Record<string, string> {
  return mountPoints.length === 0 ? {} : { [MOUNT_POINTS]: mountPoints.join(',') };
}

/** The paths that a call names; those that climb out are passed over. */
export function mountPointsOf(metadata: ReadonlyMap<string, string>): string[] {
  return (metadata.get(MOUNT_POINTS) ?? '').split(',').filter((path) => path !== '' && !path.split('/').includes('..'));
}

import type { Run } from './paint.ts'

/** whyNotMove is the word for why a run cannot go on by another version of its saga; undefined if it may. Versions are
 * empty as long as they are not known. */
export function whyNotMove(
  run: Pick<Run, 'status' | 'version'>,
  versions: readonly number[],
): 'itHasEnded' | 'notNow' | 'onlyVersion' | undefined {
  if (run.status === 'Committed' || run.status === 'RolledBack') return 'itHasEnded'
  if (run.status !== 'Active') return 'notNow'
  return versions.length > 0 && versions.every((version) => version === run.version) ? 'onlyVersion' : undefined
}

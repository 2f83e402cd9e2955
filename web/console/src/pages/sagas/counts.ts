import { useQuery } from '@tanstack/react-query'
import { api, ask, type Schemas } from '@/api/client.ts'

/** LiveCounts are how many runs are under way, by saga and by saga@version. */
export interface LiveCounts {
  readonly of: ReadonlyMap<string, number>
  /** Whether there are more runs than were counted. */
  readonly more: boolean
}

const most = 200

/** countRuns counts runs by saga and version. */
export function countRuns(runs: readonly Schemas['SagaRunItem'][], more: boolean): LiveCounts {
  const of = new Map<string, number>()
  for (const { saga = '', version = 0 } of runs) {
    for (const name of [saga, `${saga}@${version}`]) of.set(name, (of.get(name) ?? 0) + 1)
  }
  return { of, more }
}

/** useLiveCounts counts the runs that are under way, of one saga or of all: those of one page, so that it is cheap. */
export function useLiveCounts(saga?: string): LiveCounts | undefined {
  const query = useQuery({
    queryKey: ['runs', 'counts', saga ?? ''],
    queryFn: async ({ signal }) => {
      const query = { live: true, limit: most, ...(saga ? { saga } : {}) }
      const page = await ask(api.GET('/api/v1/sagas/runs', { params: { query }, signal }))
      return countRuns(page.items ?? [], !!page.next)
    },
    refetchInterval: 5000,
  })
  return query.data
}

/** countText says a count of one name; with a plus if there may be more. */
export function countText(counts: LiveCounts | undefined, name: string): string {
  if (!counts) return ''
  const n = counts.of.get(name) ?? 0
  return counts.more ? `${n}+` : String(n)
}

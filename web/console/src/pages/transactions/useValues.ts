import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { api, ask } from '@/api/client.ts'
import type { Row } from './live.ts'
import type { Values } from './suggest.ts'

/** useValues returns what may be searched for: applications and sagas of the server, and what loaded rows have. */
export function useValues(rows: readonly Row[]): Values {
  const applications = useQuery({
    queryKey: ['applications'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/applications', { signal })),
    staleTime: 60_000,
  })
  const sagas = useQuery({
    queryKey: ['saga-definitions', 'names'],
    queryFn: ({ signal }) =>
      ask(api.GET('/api/v1/sagas/definitions', { params: { query: { limit: 200 } }, signal })),
    staleTime: 60_000,
  })
  return useMemo(() => {
    const near = rows.slice(0, 1000)
    const all = (known: readonly (string | undefined)[], of: (row: Row) => string | undefined) =>
      [...new Set([...known, ...near.map(of)])].filter((text): text is string => !!text).toSorted()
    return {
      app: all(
        (applications.data?.items ?? []).map((each) => each.name),
        (row) => row.application,
      ),
      saga: all(
        (sagas.data?.items ?? []).map((each) => each.name),
        (row) => row.saga,
      ),
      name: all([], (row) => row.name),
      group: all([], (row) => row.group),
    }
  }, [rows, applications.data, sagas.data])
}

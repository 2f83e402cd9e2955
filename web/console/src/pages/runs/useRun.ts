import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import { api, ask } from '@/api/client.ts'
import { openStream, type Liveness } from '@/api/stream.ts'
import type { GraphStep } from '@/saga/graph'
import { graphSteps, loadVersion, versionKey } from '@/saga/useSubs.ts'
import type { Run } from './paint.ts'

/** useRun follows a run: it is asked for again whenever its transaction changes, and every few seconds where changes
 * are not told. */
export function useRun(xid: string) {
  const client = useQueryClient()
  const [liveness, setLiveness] = useState<Liveness>('connecting')
  const run = useQuery({
    queryKey: ['run', xid],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/sagas/runs/{xid}', { params: { path: { xid } }, signal })),
    refetchInterval: (query) => (isOver(query.state.data) ? false : liveness === 'live' ? 15_000 : 3000),
  })
  const going = run.data !== undefined && !isOver(run.data)
  useEffect(() => {
    if (!going) return
    let later: ReturnType<typeof setTimeout> | undefined
    const stop = openStream<unknown>(`/api/v1/transactions/${encodeURIComponent(xid)}/stream`, {
      events: ['end'],
      onLiveness: setLiveness,
      onMessage: () => {
        // Many changes in a moment are one look.
        later ??= setTimeout(() => {
          later = undefined
          void client.invalidateQueries({ queryKey: ['run', xid] })
        }, 120)
      },
    })
    return () => {
      clearTimeout(later)
      stop()
    }
  }, [xid, going, client])
  return { run, liveness: going ? liveness : undefined }
}

function isOver(run: Run | undefined): boolean {
  return run?.status === 'Committed' || run?.status === 'RolledBack'
}

/** useDefinition is the version that a run goes by, and its steps; those that have begun where it cannot be read. */
export function useDefinition(run: Run | undefined) {
  const saga = run?.saga ?? ''
  const version = run?.version
  const query = useQuery({
    queryKey: versionKey(saga, version),
    queryFn: ({ signal }) => loadVersion(saga, version, signal),
    enabled: saga !== '' && !!version,
    staleTime: Infinity,
  })
  const failed = !!query.error || (query.data && !query.data.steps)
  const ids = (run?.steps ?? []).map((step) => `${step.id} ${step.kind} ${step.pivot}`).join('|')
  const steps = useMemo(
    () => (query.data?.steps ? graphSteps(query.data) : failed ? begunSteps(run) : []),
    // What has begun changes with the ids.
    [query.data, failed, ids],
  )
  return { version: query.data, steps, readable: !failed, loading: query.isLoading }
}

function begunSteps(run: Run | undefined): GraphStep[] {
  const out: GraphStep[] = []
  for (const step of run?.steps ?? []) {
    const id = step.id ?? ''
    if (out.some((each) => each.id === id)) continue
    const before = out.at(-1)
    out.push({ id, kind: step.kind ?? 'call', after: before ? [before.id] : [], pivot: step.pivot ?? false })
  }
  return out
}

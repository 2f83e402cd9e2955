import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { api, ask, Refused, type Schemas } from '@/api/client.ts'
import type { Liveness } from '@/api/stream.ts'
import { numberOf } from '@/shared/Xid.tsx'
import { followTransaction } from '@/shared/actions/transactions.ts'

const key = (xid: string, what: string) => ['transaction', xid, what] as const

/** Milliseconds after a change until what belongs to it is asked for again. */
const renewAfter = 200

/** hasEnded says whether nothing more will happen. */
export function hasEnded(detail: Schemas['TransactionDetail'] | undefined): boolean {
  return detail?.status === 'Committed' || detail?.status === 'RolledBack'
}

/** useDetail returns a transaction; it changes while one looks, as long as it has not ended. */
export function useDetail(xid: string) {
  const client = useQueryClient()
  const [liveness, setLiveness] = useState<Liveness>('connecting')
  const query = useQuery({
    queryKey: key(xid, 'detail'),
    queryFn: ({ signal }) => ask(api.GET('/api/v1/transactions/{xid}', { params: { path: { xid } }, signal })),
    enabled: xid !== '',
  })
  const follow = query.data !== undefined && !hasEnded(query.data)
  useEffect(() => {
    if (!follow) return
    let later: ReturnType<typeof setTimeout> | undefined
    const renew = () => {
      later = undefined
      for (const what of ['history', 'why', 'decision', 'locks', 'audit']) {
        void client.invalidateQueries({ queryKey: key(xid, what) })
      }
    }
    const stop = followTransaction(xid, {
      onLiveness: setLiveness,
      onState: (now) => {
        client.setQueryData(key(xid, 'detail'), now)
        // Many changes in a moment are one look.
        later ??= setTimeout(renew, renewAfter)
      },
    })
    return () => {
      stop()
      if (later === undefined) return
      clearTimeout(later)
      renew() // the last state ends it, and counts most
    }
  }, [client, follow, xid])
  return { query, liveness, follow }
}

/** useHistory returns all that has happened to a transaction. */
export function useHistory(xid: string) {
  return useQuery({
    queryKey: key(xid, 'history'),
    queryFn: ({ signal }) =>
      ask(api.GET('/api/v1/transactions/{xid}/history', { params: { path: { xid } }, signal })),
    enabled: xid !== '',
  })
}

/** useWhy returns why it has not ended, and what can be done. */
export function useWhy(xid: string) {
  return useQuery({
    queryKey: key(xid, 'why'),
    queryFn: ({ signal }) =>
      ask(api.GET('/api/v1/transactions/{xid}/why', { params: { path: { xid } }, signal })),
    refetchInterval: (query) => (query.state.data?.endedAt ? false : 5000),
  })
}

/** useDecision compares what is stored of a decision with what was published. A server that publishes nothing has
 * none, which is no error. */
export function useDecision(xid: string, decided: boolean) {
  return useQuery({
    queryKey: key(xid, 'decision'),
    queryFn: async ({ signal }) => {
      try {
        return await ask(api.GET('/api/v1/decisions/{xid}', { params: { path: { xid } }, signal }))
      } catch (error) {
        if (error instanceof Refused && error.code === 'decisionsNotPublished') return null
        throw error
      }
    },
    enabled: decided,
    refetchInterval: (query) => (query.state.data && query.state.data.published?.length === 0 ? 3000 : false),
  })
}

/** useGroups returns the consumer groups of the log that this server keeps itself; elsewhere there are none to see. */
export function useGroups(enabled: boolean) {
  return useQuery({
    queryKey: ['groups'],
    queryFn: async ({ signal }) => {
      try {
        return (await ask(api.GET('/api/v1/events/groups', { signal }))).items ?? []
      } catch (error) {
        if (error instanceof Refused && error.status !== 0) return []
        throw error
      }
    },
    enabled,
    retry: false,
  })
}

/** useLocks returns the rows that it holds, with those who wait for them. */
export function useLocks(xid: string, enabled: boolean) {
  return useQuery({
    queryKey: key(xid, 'locks'),
    queryFn: ({ signal }) =>
      ask(api.GET('/api/v1/locks', { params: { query: { holder: xid, limit: 500 } }, signal })),
    enabled,
  })
}

/** useAudit returns what people did to it, the newest first. The journal has it under the xid or its number, as it was
 * asked for. */
export function useAudit(xid: string) {
  return useQuery({
    queryKey: key(xid, 'audit'),
    queryFn: async ({ signal }) => {
      const of = (target: string) =>
        ask(api.GET('/api/v1/journal', { params: { query: { target, limit: 200 } }, signal }))
      const pages = await Promise.all([of(xid), of(numberOf(xid))])
      return pages.flatMap((page) => page.items ?? []).sort((a, b) => (b.seq ?? 0) - (a.seq ?? 0))
    },
  })
}

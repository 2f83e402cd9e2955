import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useMemo } from 'react'
import { api, ask, Refused } from '@/api/client.ts'
import { useLive } from '@/app/live.tsx'
import {
  approvalItem,
  halfItems,
  letterItem,
  transactionItem,
  waitItem,
  type Claim,
  type Item,
  type Kind,
} from './items.ts'
import { useLanguage } from '@/i18n'

/** inboxKey begins the key of all that the inbox has asked for. */
export const inboxKey = ['inbox'] as const

const pageSize = 500
const pagesMost = 4
const lettersOfGroup = 500
const every = 3000

interface Part {
  items: Item[]
  more: boolean
}

interface Page<T> {
  items?: T[]
  next?: string
}

/** gather reads pages until there are no more, or enough. */
async function gather<T>(load: (cursor: string | undefined) => Promise<Page<T>>, most: number) {
  const rows: T[] = []
  let cursor: string | undefined
  for (let n = 0; n < most; n++) {
    const page = await load(cursor)
    rows.push(...(page.items ?? []))
    if (!page.next) return { rows, more: false }
    cursor = page.next
  }
  return { rows, more: true }
}

const at = (cursor: string | undefined, limit = pageSize) => ({ limit, ...(cursor ? { cursor } : {}) })

const load: Record<Kind, (signal: AbortSignal) => Promise<Part>> = {
  async transaction(signal) {
    const { rows, more } = await gather(
      (cursor) =>
        ask(api.GET('/api/v1/transactions', { params: { query: { stuck: true, ...at(cursor) } }, signal })),
      pagesMost,
    )
    return { items: rows.map(transactionItem), more }
  },
  async approval(signal) {
    const { rows, more } = await gather(
      (cursor) =>
        ask(api.GET('/api/v1/approvals', { params: { query: { state: 'pending', ...at(cursor) } }, signal })),
      pagesMost,
    )
    return { items: rows.map(approvalItem), more }
  },
  async wait(signal) {
    const { rows, more } = await gather(
      (cursor) => ask(api.GET('/api/v1/inbox/waits', { params: { query: at(cursor, 200) }, signal })),
      pagesMost,
    )
    return { items: rows.map(waitItem), more }
  },
  async letter(signal) {
    const groups = (await ask(api.GET('/api/v1/events/deadletters', { signal }))).items ?? []
    const parts = await Promise.all(
      groups.filter((one) => one.letters).map((one) => lettersOf(one.group ?? '', signal)),
    )
    return { items: parts.flatMap((part) => part.items), more: parts.some((part) => part.more) }
  },
  async half(signal) {
    const halves = await ask(api.GET('/api/v1/decisions/halves', { signal }))
    return { items: halfItems(halves), more: halves.more ?? false }
  },
}

async function lettersOf(group: string, signal: AbortSignal): Promise<Part> {
  const page = await ask(
    api.GET('/api/v1/events/groups/{group}/deadletters', {
      params: { path: { group }, query: { limit: lettersOfGroup } },
      signal,
    }),
  )
  return {
    items: (page.items ?? []).map((letter) => letterItem(group, letter)),
    more: !!page.next && (page.items?.length ?? 0) >= lettersOfGroup,
  }
}

function usePart(kind: Kind) {
  return useQuery({
    queryKey: [...inboxKey, kind],
    queryFn: async ({ signal }) => {
      try {
        return await load[kind](signal)
      } catch (error) {
        // A server without a log of events or without documents has none of these.
        if (error instanceof Refused && error.status === 409) return { items: [], more: false }
        throw error
      }
    },
    refetchInterval: every,
  })
}

/** useClaims returns who has taken up what, by the name of the item. */
export function useClaims() {
  const query = useQuery({
    queryKey: [...inboxKey, 'claims'],
    queryFn: async ({ signal }) => (await ask(api.GET('/api/v1/inbox/claims', { signal }))).items,
    refetchInterval: every,
  })
  const byName = useMemo<ReadonlyMap<string, Claim>>(
    () => new Map((query.data ?? []).map((claim) => [claim.item, claim])),
    [query.data],
  )
  return { query, byName }
}

/** useInbox gathers what needs a person from the lists that there are. */
export function useInbox() {
  const language = useLanguage()
  const client = useQueryClient()
  const parts = {
    transaction: usePart('transaction'),
    approval: usePart('approval'),
    wait: usePart('wait'),
    letter: usePart('letter'),
    half: usePart('half'),
  }
  const { transaction, approval, wait, letter, half } = parts
  // The words of items are in the language in which they were loaded.
  useEffect(() => void client.invalidateQueries({ queryKey: inboxKey }), [client, language])
  const stuck = useLive().numbers?.stuck
  useEffect(() => {
    // What is being loaded goes on: where the number moves each second, the list would never come.
    void client.invalidateQueries({ queryKey: [...inboxKey, 'transaction'] }, { cancelRefetch: false })
  }, [client, stuck])
  const items = useMemo(
    () =>
      [transaction.data, approval.data, wait.data, letter.data, half.data].flatMap((one) => one?.items ?? []),
    [transaction.data, approval.data, wait.data, letter.data, half.data],
  )
  const all = Object.entries(parts) as [Kind, typeof transaction][]
  return {
    items,
    loading: all.every(([, part]) => part.isPending),
    more: all.some(([, part]) => part.data?.more),
    failed: all.filter(([, part]) => part.error).map(([kind, part]) => ({ kind, error: part.error })),
    retry: () => void client.invalidateQueries({ queryKey: inboxKey }),
  }
}

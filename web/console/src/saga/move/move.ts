import { api, ask, idempotencyKey, Refused, type Schemas } from '@/api/client.ts'

export type Moved = Schemas['SagaMoved']

/** Wish is what is to be moved where. */
export interface Wish {
  readonly saga: string
  readonly from: number
  /** 0: the newest. */
  readonly to: number
  readonly mapping: Readonly<Record<string, string>>
  /** One run alone. */
  readonly xid?: string | undefined
}

/** mappingOf reads lines of "old = new"; wrong is the first line that is not one. */
export function mappingOf(text: string): { mapping: Record<string, string> } | { wrong: string } {
  const mapping: Record<string, string> = {}
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    const found = /^\s*([\w-]+)\s*(?:=|->|→|:)\s*([\w-]+)\s*$/.exec(line)
    if (!found) return { wrong: line.trim() }
    mapping[found[1]!] = found[2]!
  }
  return { mapping }
}

/** moveAll checks or moves all runs of a wish, page after page, and tells those that it has so far. */
export async function moveAll(
  wish: Wish,
  dryRun: boolean,
  tell: (items: readonly Moved[]) => void,
  signal: AbortSignal,
): Promise<void> {
  if (wish.xid !== undefined) return tell([await moveOne(wish, wish.xid, dryRun)])
  const items: Moved[] = []
  let cursor: string | undefined
  do {
    const { saga, from, to, mapping } = wish
    const page = await ask(
      api.POST('/api/v1/sagas/definitions/{saga}/move', {
        params: { path: { saga }, header: { 'Idempotency-Key': idempotencyKey() } },
        body: { from, to, mapping, dryRun, limit: 100, ...(cursor ? { cursor } : {}) },
        signal,
      }),
    )
    items.push(...(page.items ?? []))
    tell([...items])
    cursor = page.next
  } while (cursor && !signal.aborted)
}

async function moveOne({ to, mapping }: Wish, xid: string, dryRun: boolean): Promise<Moved> {
  try {
    return await ask(
      api.POST('/api/v1/sagas/runs/{xid}/move', {
        params: { path: { xid }, header: { 'Idempotency-Key': idempotencyKey() } },
        body: { to, mapping, dryRun },
      }),
    )
  } catch (error) {
    const verdict = error instanceof Refused ? error.body['verdict'] : undefined
    if (typeof verdict !== 'string') throw error
    return { xid, verdict, reasons: (error as Refused).body['reasons'], moved: false } as Moved
  }
}

/** countsOf counts verdicts. */
export function countsOf(items: readonly Moved[]) {
  const of = (verdict: Moved['verdict']) => items.filter((each) => each.verdict === verdict).length
  return {
    safe: of('safe'),
    needsMapping: of('needsMapping'),
    mustStay: of('mustStay'),
    moved: items.filter((each) => each.moved).length,
  }
}
